/** Finds the cluster and its settings. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { ACCOUNT_ROLES, type AccountRole } from "@carillon/base";
import {
  DEVELOPMENT_SECRET,
  describeSettings,
  isLoopback,
  listenersOf,
  loadSettings,
  plainLinks,
  type Settings,
  type StoreSettings,
  secretsOf,
  type TokenSecret,
  withAccount,
} from "@carillon/base/node";
import { NotReached, WrongUse } from "./output/failures";

/** The settings that `carillon init` needs; the stores with the operator's account. */
export interface CliConfig extends StoreSettings {
  /** Passwords of the accounts of the roles, as far as the settings name them. */
  accounts: Settings["accounts"];
}

/** The settings that the other commands need. */
export type ClusterConfig = StoreSettings & Pick<Settings, "groups">;

/** One setting in effect. */
export interface EffectiveSetting {
  path: string;
  variable: string;
  /** `***` for a secret. */
  value: unknown;
  isDefault: boolean;
  description: string;
}

/**
 * Loads the settings of `carillon init`, which may run before a data directory exists.
 * @param data a data directory; undefined: CARILLON_CONFIG or the environment
 * @throws SettingsError
 */
export function loadConfig(data?: string): CliConfig {
  const settings = loadSettings(data === undefined ? process.env : environmentOf(data));
  return { ...withAccount(settings, "operator"), accounts: settings.accounts };
}

/**
 * Loads the settings of an existing cluster.
 * @param data a data directory; undefined: CARILLON_CONFIG, CARILLON_DATA, the environment, ./.carillon
 * @throws NotReached when there is none; SettingsError
 */
export function loadClusterConfig(data?: string): ClusterConfig {
  const settings = loadSettings(clusterEnvironment(data));
  return { ...withAccount(settings, "operator"), groups: settings.groups };
}

/** Whether tokens are signed with the public development key. @throws NotReached, SettingsError */
export function usesDevelopmentSecret(data?: string): boolean {
  const { auth } = loadSettings(clusterEnvironment(data));
  return secretsOf(auth, Date.now()).some(({ secret }) => secret === DEVELOPMENT_SECRET);
}

/** What the commands about secrets need. */
export interface SecretsConfig extends Pick<Settings["auth"], "accessTokenSeconds" | "refreshTokenDays"> {
  /** The carillon.json of the cluster. */
  file: string;
  secrets: readonly TokenSecret[];
  mysql: Settings["mysql"];
}

/**
 * @param config a carillon.json; undefined: that of the data directory
 * @throws NotReached, WrongUse when the cluster has no file, SettingsError
 */
export function secretsConfig(data: string | undefined, config: string | undefined): SecretsConfig {
  const environment =
    config === undefined ? clusterEnvironment(data) : { ...process.env, CARILLON_CONFIG: path.resolve(config) };
  const { CARILLON_CONFIG: file } = environment;
  if (file === undefined) throw new WrongUse("the settings are in variables only: name a carillon.json by --config");
  const { auth, mysql } = loadSettings(environment);
  const { accessTokenSeconds, refreshTokenDays } = auth;
  return { file, secrets: secretsOf(auth, Date.now()), accessTokenSeconds, refreshTokenDays, mysql };
}

/** @throws WrongUse when variables set the secrets: no process reads them again */
export function refuseSecretVariables(): void {
  const set = ["CARILLON_AUTH_SECRET", "CARILLON_AUTH_SECRETS"].find((name) => process.env[name] !== undefined);
  if (set !== undefined) throw new WrongUse(`${set} sets the secrets, and counts more than the file: remove it first`);
}

/** The roles without an account of their own. @throws NotReached, SettingsError */
export function rolesWithoutAccount(data?: string): AccountRole[] {
  const { accounts } = loadSettings(clusterEnvironment(data));
  return ACCOUNT_ROLES.filter((role) => accounts[role] === undefined);
}

/** Whether other machines can read the metrics of gateways or apis without a token. @throws NotReached, SettingsError */
export function areMetricsOpen(data?: string): boolean {
  const { gateway, api, metrics } = loadSettings(clusterEnvironment(data));
  const hosts = [api.host, ...listenersOf(gateway).map(({ host }) => host)];
  return metrics.token === undefined && !hosts.every(isLoopback);
}

/** The links of the cluster that are not encrypted and leave a machine, in words. @throws NotReached, SettingsError */
export function namesOfPlainLinks(data?: string): string[] {
  return [...new Set(plainLinks(loadSettings(clusterEnvironment(data))).map(({ name }) => name))];
}

/**
 * Address of the HTTP API, from the `cluster.json` of the running cluster; `caFile` is the authority to trust, with TLS.
 * @throws NotReached
 */
export function runningApi(data?: string): { api: string; caFile?: string } {
  const file = path.join(dataDirectory(data), "cluster.json");
  try {
    return JSON.parse(readFileSync(file, "utf8")) as { api: string; caFile?: string };
  } catch {
    throw new NotReached(`no cluster runs in ${path.dirname(file)}: start one, or name another by --data or --api`);
  }
}

/** The environment in which Node.js trusts an authority; undefined when this process is in it. */
export function environmentTrusting(caFile: string): NodeJS.ProcessEnv | undefined {
  const { NODE_EXTRA_CA_CERTS: trusted } = process.env;
  return trusted === caFile ? undefined : { ...process.env, NODE_EXTRA_CA_CERTS: caFile };
}

/** All settings in effect, secrets masked. @throws NotReached, SettingsError */
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

/** Masks a secret: of an address only user and password, of any other secret everything. */
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

/** Whether NO_COLOR or FORCE_COLOR decides about colours, and how; undefined: neither is set. */
export function areColoursForced(): boolean | undefined {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  if (FORCE_COLOR !== undefined) return !["", "0", "false"].includes(FORCE_COLOR);
  return NO_COLOR ? false : undefined;
}
