import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import path from "node:path";
import { completed, type Passwords } from "@carillon/grants";
import { readJson, writeJsonAtomically } from "../processes/atomic-file";
import { randomPassword } from "../servers/run-server";
import { clusterFiles } from "./cluster-file";
import { type ClusterOptions, OptionsError } from "./cluster-options";

/** The secrets of a data directory, created once and kept in `secrets.json`, which only its owner can read. */
export interface Secrets {
  nats: string;
  redis: string;
  mysql: string;
  /** Passwords of the accounts of the roles; those above are of administrators of the servers. */
  accounts: Passwords;
  /** Signs the tokens of users. */
  auth: string;
}

/** Reads the secrets of a data directory, and creates missing ones. */
export function loadSecrets(directory: string): Secrets {
  const file = path.join(directory, "secrets.json");
  const known = readJson<Partial<Secrets>>(file) ?? {};
  const secrets: Secrets = {
    nats: known.nats ?? randomPassword(),
    redis: known.redis ?? randomPassword(),
    mysql: known.mysql ?? randomPassword(),
    accounts: completed(known.accounts ?? {}, randomPassword),
    auth: known.auth ?? randomBytes(32).toString("base64url"),
  };
  writeJsonAtomically(file, secrets);
  return secrets;
}

/** The secrets of tokens that `carillon secrets rotate` wrote into carillon.json; undefined: none were rotated. */
export function keptAuth(directory: string): object | undefined {
  const { auth } = readJson<{ auth?: { secrets?: object[] } }>(clusterFiles.config(directory)) ?? {};
  return auth?.secrets === undefined ? undefined : { secrets: auth.secrets };
}

/**
 * Returns the default number of partitions: one for each worker, but not more than the processors can serve. With fewer than two
 * processors for a partition its batches get smaller and nothing gets faster (docs/decisions/0021). Further workers stand by.
 * @param cores processors of this machine
 */
export function usualPartitions(workers: number, cores = availableParallelism()): number {
  return Math.max(1, Math.min(workers, Math.floor(cores / 2)));
}

/**
 * Fixes the number of partitions, which never changes after the first start: a conversation's partition is a hash modulo it.
 *
 * @throws OptionsError when the options name another number than that of the data
 */
export function fixPartitions(options: ClusterOptions): number {
  const file = path.join(options.directory, "layout.json");
  const known = readJson<{ partitions: number }>(file)?.partitions;
  if (known !== undefined && options.partitions !== undefined && options.partitions !== known) {
    throw new OptionsError(
      `${options.directory} was made with ${known} partitions, which cannot change; leave --partitions out, or start with --fresh`,
    );
  }
  const partitions = known ?? options.partitions ?? usualPartitions(options.counts.worker);
  writeJsonAtomically(file, { partitions });
  return partitions;
}
