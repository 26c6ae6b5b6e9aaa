import path from "node:path";
import { commandLine, wholeNumber } from "@carillon/base/command-line";
import type { Command, CommanderError } from "commander";
import {
  type ClusterOptions,
  DEFAULT_BASE_PORT,
  DEFAULT_COUNTS,
  defaultDirectory,
  type ExternalStores,
  OptionsError,
  planPorts,
} from "../supervisor/cluster-options";

const MOST_PARTITIONS = 1_024;

interface StartOptions {
  detach?: boolean;
  data?: string;
  basePort: number;
  gateways: number;
  workers: number;
  archivers: number;
  apis: number;
  partitions?: number;
  tls?: boolean;
  showSecrets?: boolean;
  fresh?: boolean;
}

function startCommand(): Command {
  const number = wholeNumber(0);
  const description = `Starts a Carillon cluster on this machine, with private NATS, Redis and MariaDB.

CARILLON_NATS_SERVERS, CARILLON_REDIS_URL and CARILLON_MYSQL_URL name running stores to use instead.`;
  return commandLine("npm start --", description)
    .option("--detach", "return when the cluster is ready; npm run stop stops it")
    .option("--data <DIR>", "data, logs and cluster.json (default: .carillon, or CARILLON_DATA)")
    .option("--base-port <N>", "first of 50 TCP ports", number, DEFAULT_BASE_PORT)
    .option("--gateways <N>", "number of gateways", number, DEFAULT_COUNTS.gateway)
    .option("--workers <N>", "number of workers", number, DEFAULT_COUNTS.worker)
    .option("--archivers <N>", "number of archivers", number, DEFAULT_COUNTS.archiver)
    .option("--apis <N>", "number of apis", number, DEFAULT_COUNTS.api)
    .option(
      "--partitions <N>",
      "at the first start only (default: one for every two processors, and not more than workers)",
      wholeNumber(1, MOST_PARTITIONS),
    )
    .option("--tls", "encrypt: gateways and apis get certificates of an authority that is made in DIR/tls")
    .option("--show-secrets", "print the addresses of the stores with their passwords")
    .option("--fresh", "remove all data of DIR first");
}

function stopCommand(): Command {
  return commandLine(
    "npm run stop --",
    "Stops the Carillon cluster of a data directory, and all processes that are left of one.",
  ).option("--data <DIR>", "data directory (default: .carillon, or CARILLON_DATA)");
}

export const START_USAGE = startCommand().helpInformation();
export const STOP_USAGE = stopCommand().helpInformation();

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
  const values = parse<StartOptions>(startCommand(), args);
  if (values === undefined) return { help: true };
  const { basePort, partitions } = values;
  const counts = {
    gateway: values.gateways,
    worker: values.workers,
    archiver: values.archivers,
    api: values.apis,
  };
  planPorts(basePort, counts);
  return {
    help: false,
    detach: values.detach === true,
    showsSecrets: values.showSecrets === true,
    options: {
      directory: dataDirectory(values.data, env),
      basePort,
      counts,
      partitions,
      fresh: values.fresh === true,
      tls: values.tls === true,
      external: externalStores(env),
    },
  };
}

/** Reads the arguments of `npm run stop`. */
export function parseStopArguments(args: string[], env: Environment): { help: boolean; directory: string } {
  const values = parse<{ data?: string }>(stopCommand(), args);
  return { help: values === undefined, directory: dataDirectory(values?.data, env) };
}

/**
 * Parses without printing anything or ending the process, since tests and two scripts call this.
 *
 * @returns undefined for --help
 */
function parse<Options>(command: Command, args: string[]): Options | undefined {
  const silent = () => {};
  command.configureOutput({ writeOut: silent, writeErr: silent }).exitOverride();
  try {
    return command.parse(args, { from: "user" }).opts() as Options;
  } catch (error) {
    const { exitCode, message } = error as CommanderError;
    if (exitCode === 0) return undefined;
    throw new OptionsError(message);
  }
}

function dataDirectory(value: string | undefined, env: Environment): string {
  const named = value ?? env["CARILLON_DATA"];
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
