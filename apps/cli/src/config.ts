import { loadSettings, type Settings } from "@carillon/base/node";

/** What the commands need of the settings. */
export type CliConfig = Pick<Settings, "nats" | "redis" | "mysql">;

/** @throws SettingsError */
export function loadConfig(): CliConfig {
  const { nats, redis, mysql } = loadSettings();
  return { nats, redis, mysql };
}
