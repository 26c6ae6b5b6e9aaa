/** What a run asks of a process of the generator. */
import type { LoadCounts } from "./load-loop";
import type { LoadClientSpec } from "./load-protocol";

export interface GeneratorCalls {
  /** Connects the clients, which come in pairs. */
  open(argument: { protocolFile: string; specs: LoadClientSpec[] }): Promise<void>;
  startClosed(argument: { inFlight: number }): Promise<void>;
  startOpen(argument: { perSecond: number }): Promise<void>;
  startMeasuring(): Promise<void>;
  stopMeasuring(): Promise<void>;
  /** Sends nothing more. */
  stop(): Promise<void>;
  progress(): Promise<LoadCounts>;
  /** HdrHistograms, compressed, in base64. */
  times(): Promise<{ latency: string; lateness: string }>;
}

export type CallName = keyof GeneratorCalls;

export interface GeneratorRequest {
  id: number;
  call: CallName;
  argument: unknown;
}

export interface GeneratorReply {
  id: number;
  result?: unknown;
  error?: string;
}
