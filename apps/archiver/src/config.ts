import { checkHost, loadSettings, nodeIdOf, type Settings, withAccount } from "@carillon/base/node";

export interface ArchiverConfig extends Pick<Settings, "nats" | "mysql" | "archiver" | "metrics" | "log"> {
  nodeId: string;
  /** Age below which records stay in the log, ms. */
  replayWindowMs: number;
}

/** @throws SettingsError */
export function loadConfig(): ArchiverConfig {
  const settings = loadSettings();
  const { nats, mysql } = withAccount(settings, "archiver");
  const { archiver, metrics, log, worker } = settings;
  checkHost("archiver.host", archiver.host);
  const replayWindowMs = worker.replayWindowSeconds * 1_000;
  return { nodeId: nodeIdOf(settings, "archiver"), replayWindowMs, nats, mysql, archiver, metrics, log };
}
