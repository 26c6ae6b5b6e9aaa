/** The calls that a run makes to a process of the generator. */
import type { ClosedBy, LoadCounts } from "./load-loop";
import type { LoadClientSpec } from "./load-protocol";

export interface GeneratorCalls {
  /** Connects the clients, which come in pairs. */
  open(argument: { protocolFile: string; specs: LoadClientSpec[] }): Promise<void>;
  startClosed(argument: { inFlight: number; closedBy: ClosedBy }): Promise<void>;
  startOpen(argument: { perSecond: number }): Promise<void>;
  startMeasuring(argument?: undefined): Promise<void>;
  stopMeasuring(argument?: undefined): Promise<void>;
  /** Stops sending. */
  stop(argument?: undefined): Promise<void>;
  progress(argument?: undefined): Promise<LoadCounts>;
  /** HdrHistograms, compressed, in base64. */
  times(argument?: undefined): Promise<{ latency: string; lateness: string }>;
}
