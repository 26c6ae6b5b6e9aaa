import path from "node:path";
import { parseArgs } from "node:util";
import {
  type ClusterOptions,
  DEFAULT_BASE_PORT,
  DEFAULT_COUNTS,
  defaultDirectory,
  type ExternalStores,
  OptionsError,
  planPorts,
} from "../supervisor/cluster-options";

export const START_USAGE = `Starts a Carillon cluster on this machine, with private NATS, Redis and MariaDB.

  npm start [-- options]

  --detach          return when the cluster is ready; npm run stop stops it
  --data DIR        data, logs and cluster.json (default: .carillon, or CARILLON_DATA)
  --base-port N     first of 50 TCP ports (default: ${DEFAULT_BASE_PORT})
  --gateways N      (default: ${DEFAULT_COUNTS.gateway})
  --workers N       (default: ${DEFAULT_COUNTS.worker})
  --archivers N     (default: ${DEFAULT_COUNTS.archiver})
  --apis N          (default: ${DEFAULT_COUNTS.api})
  --partitions N    at the first start only (default: one for every two processors, and not more than workers)
  --show-secrets    print the addresses of the stores with their passwords
  --fresh           remove all data of DIR first
  --help

CARILLON_NATS_SERVERS, CARILLON_REDIS_URL and CARILLON_MYSQL_URL name running stores to use instead.`;

export const STOP_USAGE = `Stops the Carillon cluster of a data directory, and all processes that are left of one.

  npm run stop [-- --data DIR]`;

/** The arguments of `npm start`. */
export type StartArguments =
  | { help: true }
  | { help: false; detach: boolean; showsSecrets: boolean; options: ClusterOptions };

type Environment = Record<string, string | undefined>;

/**
 * Reads the arguments of `npm start`.
 *
 * @throws OptionsError for an unknown option or an impossible value
 */
export function parseStartArguments(args: string[], env: Environment): StartArguments {
  const number = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const values = parse(args, {
    detach: flag,
    data: number,
    "base-port": number,
    gateways: number,
    workers: number,
    archivers: number,
    apis: number,
    partitions: number,
    "show-secrets": flag,
    fresh: flag,
    help: flag,
  });
  if (values["help"] === true) {
    return { help: true };
  }
  const count = (name: string, fallback: number): number => parseNumber(name, values[name]) ?? fallback;
  const counts = {
    gateway: count("gateways", DEFAULT_COUNTS.gateway),
    worker: count("workers", DEFAULT_COUNTS.worker),
    archiver: count("archivers", DEFAULT_COUNTS.archiver),
    api: count("apis", DEFAULT_COUNTS.api),
  };
  const basePort = count("base-port", DEFAULT_BASE_PORT);
  planPorts(basePort, counts);
  const partitions = parseNumber("partitions", values["partitions"]);
  if (partitions !== undefined && (partitions < 1 || partitions > 1024)) {
    throw new OptionsError(`--partitions must be between 1 and 1024, and is ${partitions}`);
  }
  return {
    help: false,
    detach: values["detach"] === true,
    showsSecrets: values["show-secrets"] === true,
    options: {
      directory: dataDirectory(values["data"], env),
      basePort,
      counts,
      partitions,
      fresh: values["fresh"] === true,
      external: externalStores(env),
    },
  };
}

/** Reads the arguments of `npm run stop`. */
export function parseStopArguments(args: string[], env: Environment): { help: boolean; directory: string } {
  const values = parse(args, { data: { type: "string" }, help: { type: "boolean" } });
  return { help: values["help"] === true, directory: dataDirectory(values["data"], env) };
}

function parse(
  args: string[],
  options: Record<string, { type: "string" | "boolean" }>,
): Record<string, string | boolean | undefined> {
  try {
    return parseArgs({ args, options, strict: true }).values as Record<string, string | boolean | undefined>;
  } catch (error) {
    throw new OptionsError((error as Error).message);
  }
}

function parseNumber(name: string, value: string | boolean | undefined): number | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (!/^\d{1,6}$/.test(String(value))) {
    throw new OptionsError(`--${name} needs a number, not ${JSON.stringify(value)}`);
  }
  return Number(value);
}

function dataDirectory(value: string | boolean | undefined, env: Environment): string {
  const named = typeof value === "string" ? value : env["CARILLON_DATA"];
  return named === undefined || named === "" ? defaultDirectory() : path.resolve(named);
}

/** Stores named by settings. */
function externalStores(env: Environment): ExternalStores {
  const stores: ExternalStores = {};
  if (env["CARILLON_NATS_SERVERS"]) {
    stores.nats = env["CARILLON_NATS_SERVERS"].split(",").map((each) => each.trim());
  }
  if (env["CARILLON_REDIS_URL"]) {
    stores.redis = env["CARILLON_REDIS_URL"];
  }
  if (env["CARILLON_MYSQL_URL"]) {
    stores.mysql = env["CARILLON_MYSQL_URL"];
  }
  return stores;
}
