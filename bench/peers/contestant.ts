/** A server that is measured: Carillon, or another one in the same run on the same machine. */
import type { LoadClientSpec } from "../generator/load-protocol";

/** Where a message is when its sender gets the acknowledgement: in memory, in the page cache, or on disk. */
export type Tier = "T0" | "T1" | "T2";

export interface Contestant {
  /** As it stands in tables: `ejabberd`. */
  name: string;
  tier: Tier;
  /** Kind of the processes that hold the clients' connections, as `processes` names it. */
  front: string;
  /** Clients with which it is measured; undefined: as many as all. */
  clientCount?: number;
  /** What is to be known beside the figures: version, what it stores and where. */
  describe(): string;
  /** Gets what it needs (progress is told), starts it with everything below `directory`, on free ports of loopback. */
  start(directory: string, onProgress: (line: string) => void): Promise<RunningContestant>;
}

export interface RunningContestant {
  /** Module (file) that exports `protocol: LoadProtocol`, for the process of the generator. */
  protocolFile: string;
  /** Makes accounts, in pairs that write to each other: client i writes to client i ^ 1. */
  clients(count: number): Promise<LoadClientSpec[]>;
  /** All processes that serve, by kind; the generator is none. */
  processes(): Map<string, number[]>;
  /** How many messages are in its archive, where it has one; compared with what was sent when all is quiet. */
  archived?(): Promise<number>;
  /** What it counts by itself, where it does. */
  counts?(): Promise<ServerCounts>;
  /** A measurement has ended; it went from one instant to the other, ms since 1970. */
  onMeasured?(from: number, to: number): void;
  stop(): Promise<void>;
}

/** Totals since the servers began; a run reports what was added while it measured. */
export interface ServerCounts {
  /** Calls of fsync and fdatasync by kind of process. */
  fsyncs: Record<string, number>;
  /** How often each hop passed on a batch, whatever was in it: `queue batch`. */
  batches: Record<string, number>;
  /** ms that the processes of a kind have spent on garbage. */
  gcMs: Record<string, number>;
}
