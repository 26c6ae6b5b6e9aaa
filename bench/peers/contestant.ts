/** A server to measure: Carillon, or another server in the same run on the same machine. */
import type { LoadClientSpec } from "../generator/load-protocol";

/** Where a message is when its sender gets the acknowledgement: in memory, in the page cache, or on disk. */
export type Tier = "T0" | "T1" | "T2";

export interface Contestant {
  /** The name in tables: `ejabberd`. */
  name: string;
  tier: Tier;
  /** Kind of the processes that hold the clients' connections, as `processes` names it. */
  front: string;
  /** Number of clients for this server; undefined: the number of the run. */
  clientCount?: number;
  /** Facts beside the figures: version, what the server stores and where. */
  describe(): string;
  /** Installs the server with reports of its progress, and starts it with all files below `directory`, on free ports of loopback. */
  start(directory: string, onProgress: (line: string) => void): Promise<RunningContestant>;
}

export interface RunningContestant {
  /** File of the module that exports `protocol: LoadProtocol`, for the process of the generator. */
  protocolFile: string;
  /** Creates accounts, in pairs that write to each other: client i writes to client i ^ 1. */
  clients(count: number): Promise<LoadClientSpec[]>;
  /** Returns all server processes by kind, without the generator. */
  processes(): Map<string, number[]>;
  /** Returns the number of messages in the server's archive, if it has one. The run compares it with the sent messages at the end. */
  archived?(): Promise<number>;
  /** Returns the server's own counters, if it has some. */
  counts?(): Promise<ServerCounts>;
  /** Learns that a measurement has ended, with its first and last instant, ms since 1970. */
  onMeasured?(from: number, to: number): void;
  stop(): Promise<void>;
}

/** Totals since the servers began; a run reports the difference over its measured time. */
export interface ServerCounts {
  /** Calls of fsync and fdatasync by kind of process. */
  fsyncs: Record<string, number>;
  /** Number of batches that each hop passed on, whatever their size: `queue batch`. */
  batches: Record<string, number>;
  /** ms that the processes of a kind have spent on garbage. */
  gcMs: Record<string, number>;
}
