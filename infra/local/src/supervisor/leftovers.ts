import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { isAlive, type ProcessIdentity } from "@carillon/base/process-lock";
import { readJson, writeJsonAtomically } from "../processes/atomic-file";
import { endProcess } from "../processes/identity";
import { clusterFiles } from "./cluster-file";

/**
 * Remembers the started processes. Every process gets a file with its pid and start time before it is used. A supervisor that
 * dies by kill -9 leaves the files, and the next start or stop ends the processes that still live.
 */
interface ProcessRecord extends ProcessIdentity {
  name: string;
}

/** Remembers a process that was just spawned. */
export function recordProcess(directory: string, name: string, identity: ProcessIdentity): void {
  writeJsonAtomically(path.join(clusterFiles.processes(directory), `${name}.json`), { name, ...identity });
}

/** Forgets all processes, when they are known to be gone. */
export function forgetProcesses(directory: string): void {
  rmSync(clusterFiles.processes(directory), { recursive: true, force: true });
}

/** Returns the recorded processes that still live. */
function findLeftovers(directory: string): ProcessRecord[] {
  let names: string[];
  try {
    names = readdirSync(clusterFiles.processes(directory));
  } catch {
    return [];
  }
  return names
    .map((name) => readJson<ProcessRecord>(path.join(clusterFiles.processes(directory), name)))
    .filter((record): record is ProcessRecord => record !== undefined && isAlive(record));
}

const STORES = ["mysql", "redis", "nats"];

/** The store to which a recorded process belongs: `nats-2` is a server of NATS. */
const storeOf = (name: string) => STORES.find((store) => name === store || name.startsWith(`${store}-`));

/**
 * Ends the processes that an earlier supervisor left: Carillon's processes first, then MariaDB, Redis and NATS; SIGKILL comes
 * last.
 */
export async function endLeftovers(directory: string, say: (line: string) => void): Promise<number> {
  const leftovers = findLeftovers(directory);
  const end = async (record: ProcessRecord, graceMs: number): Promise<void> => {
    say(`${record.name} (pid ${record.pid}) is left from an earlier start: stopping it`);
    await endProcess(record, graceMs);
  };
  await Promise.all(leftovers.filter(({ name }) => storeOf(name) === undefined).map((record) => end(record, 10_000)));
  for (const store of STORES) {
    await Promise.all(leftovers.filter(({ name }) => storeOf(name) === store).map((record) => end(record, 30_000)));
  }
  forgetProcesses(directory);
  return leftovers.length;
}
