/** CPU time, memory, system calls and disk writes of the cluster's processes, from /proc. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { ClusterInfo } from "@carillon/local";

const TICKS_PER_SECOND = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

export interface Usage {
  processes: number;
  /** CPU time of user and system, us. */
  cpu: number;
  /** Resident memory, MiB. */
  resident: number;
  /** Calls of read and write of every kind of file, sockets too, as /proc counts them; it does not count send and receive. */
  systemCalls: number;
  /** Bytes sent to the disk. */
  writtenBytes: number;
}

/** Returns the server processes by kind, without the load generator. */
export function serverProcesses(info: ClusterInfo): Map<string, number[]> {
  const pids = (nodes: { pid?: number | undefined }[]) => nodes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  return new Map([
    ["gateway", pids(info.gateways)],
    ["worker", pids(info.workers)],
    ["archiver", pids(info.archivers)],
    ["api", pids(info.apis)],
    ["NATS", pids(info.nats)],
    ["Redis", pids([info.redis])],
    ["MariaDB", pids([info.mysql])],
  ]);
}

const NOTHING: Usage = { processes: 0, cpu: 0, resident: 0, systemCalls: 0, writtenBytes: 0 };

function add(a: Usage, b: Usage): Usage {
  return {
    processes: a.processes + b.processes,
    cpu: a.cpu + b.cpu,
    resident: a.resident + b.resident,
    systemCalls: a.systemCalls + b.systemCalls,
    writtenBytes: a.writtenBytes + b.writtenBytes,
  };
}

/**
 * Begins to count the use of processes. @returns a function that returns the use since then, by kind: a process that began
 * meanwhile counts from its beginning, and a process that ended is not counted
 */
export function countUsage(processes: () => Map<string, number[]>): () => Map<string, Usage> {
  const before = new Map([...processes().values()].flat().map((pid) => [pid, usageOf(pid)]));
  const since = (pid: number) => usageBetween(before.get(pid) ?? NOTHING, usageOf(pid));
  return () => new Map([...processes()].map(([kind, pids]) => [kind, pids.map(since).reduce(add, NOTHING)]));
}

/** Returns the use between two readings, with the memory at the end. */
function usageBetween(before: Usage, after: Usage): Usage {
  return {
    processes: after.processes,
    cpu: after.cpu - before.cpu,
    resident: after.resident,
    systemCalls: after.systemCalls - before.systemCalls,
    writtenBytes: after.writtenBytes - before.writtenBytes,
  };
}

/** Resident memory of a process, MiB. */
export function residentOf(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return (pages * 4096) / 1024 / 1024;
}

function usageOf(pid: number): Usage {
  // The command's name may hold spaces: fields are counted from its closing parenthesis.
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const io = Object.fromEntries(
    readFileSync(`/proc/${pid}/io`, "utf8")
      .split("\n")
      .map((line) => line.split(": ")),
  );
  return {
    processes: 1,
    cpu: (ticks / TICKS_PER_SECOND) * 1_000_000,
    resident: residentOf(pid),
    systemCalls: Number(io["syscr"]) + Number(io["syscw"]),
    writtenBytes: Number(io["write_bytes"]),
  };
}
