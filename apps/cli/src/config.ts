/** Where the cluster is, and its settings. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { DEVELOPMENT_SECRET, describeSettings, loadSettings, type Settings } from "@carillon/base/node";
import { NotReached } from "./output/failures";

/** What `carillon init` needs of the settings. */
export type CliConfig = Pick<Settings, "nats" | "redis" | "mysql">;

/** What the commands need that look into a cluster. */
export type ClusterConfig = CliConfig & Pick<Settings, "groups">;

/** One setting as it counts. */
export interface EffectiveSetting {
  path: string;
  variable: string;
  /** `***` for a secret. */
  value: unknown;
  isDefault: boolean;
  description: string;
}

/**
 * The settings of `carillon init`, which may run before there is a data directory.
 * @param data a data directory; undefined: CARILLON_CONFIG or the environment
 * @throws SettingsError
 */
export function loadConfig(data?: string): CliConfig {
  const { nats, redis, mysql } = data === undefined ? loadSettings() : loadSettings(environmentOf(data));
  return { nats, redis, mysql };
}

/**
 * The settings of a cluster that exists.
 * @param data a data directory; undefined: CARILLON_CONFIG, CARILLON_DATA, the environment, ./.carillon
 * @throws NotReached when there is none; SettingsError
 */
export function loadClusterConfig(data?: string): ClusterConfig {
  const { nats, redis, mysql, groups } = loadSettings(clusterEnvironment(data));
  return { nats, redis, mysql, groups };
}

/** Whether tokens are signed with the key that everyone knows. @throws NotReached, SettingsError */
export function usesDevelopmentSecret(data?: string): boolean {
  return loadSettings(clusterEnvironment(data)).auth.secret === DEVELOPMENT_SECRET;
}

/** Whether other machines can reach the metrics of gateways or apis, and need no token. @throws NotReached, SettingsError */
export function areMetricsOpen(data?: string): boolean {
  const { gateway, api, metrics } = loadSettings(clusterEnvironment(data));
  const isOwn = (host: string) => host === "localhost" || host === "::1" || host.startsWith("127.");
  return metrics.token === undefined && !(isOwn(gateway.host) && isOwn(api.host));
}

/** Address of the HTTP API, as the running cluster told it. @throws NotReached */
export function apiAddress(data?: string): string {
  const file = path.join(dataDirectory(data), "cluster.json");
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { api: string }).api;
  } catch {
    throw new NotReached(`no cluster runs in ${path.dirname(file)}: start one, or name it by --data or --api`);
  }
}

/** All settings as they count for the cluster, secrets masked. @throws NotReached, SettingsError */
export function effectiveSettings(data?: string): EffectiveSetting[] {
  const settings = loadSettings(clusterEnvironment(data));
  return describeSettings().map((each) => {
    const value = each.path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], settings);
    return {
      path: each.path,
      variable: each.variable,
      value: each.secret && value !== undefined ? mask(String(value)) : value,
      isDefault: JSON.stringify(value) === JSON.stringify(each.fallback),
      description: each.description,
    };
  });
}

/** An address stays readable without its user and password; any other secret does not. */
function mask(secret: string): string {
  return /^[a-z]+:\/\//.test(secret) ? secret.replace(/\/\/[^/@]*@/, "//***@") : "***";
}

function dataDirectory(data: string | undefined): string {
  return path.resolve(data ?? process.env["CARILLON_DATA"] ?? ".carillon");
}

function environmentOf(data: string): NodeJS.ProcessEnv {
  const file = path.join(dataDirectory(data), "carillon.json");
  if (!existsSync(file)) throw new NotReached(`there is no cluster in ${path.dirname(file)}`);
  return { ...process.env, CARILLON_CONFIG: file };
}

function clusterEnvironment(data: string | undefined): NodeJS.ProcessEnv {
  const { env } = process;
  if (data !== undefined) return environmentOf(data);
  if (env["CARILLON_CONFIG"] !== undefined) return env;
  const isNamed = env["CARILLON_DATA"] === undefined && env["CARILLON_NATS_SERVERS"] !== undefined;
  return isNamed ? env : environmentOf(dataDirectory(undefined));
}

/** What NO_COLOR and FORCE_COLOR say of colours; undefined: nothing. */
export function areColoursForced(): boolean | undefined {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  if (FORCE_COLOR !== undefined) return !["", "0", "false"].includes(FORCE_COLOR);
  return NO_COLOR ? false : undefined;
}
