import type { Bus } from "@carillon/bus";
import type { RunningCluster } from "@carillon/local";
import type { Load } from "../load/load";
import type { NatsDisk } from "./disk";
import type { Links } from "./links";

/** What a fault may reach for. */
export interface Stage {
  cluster: RunningCluster;
  links: Links;
  /** A connection of the machine's own, past all proxies. */
  bus: Bus;
  load: Load;
  /** Where the scenario asked for one. */
  disk: NatsDisk | undefined;
}

interface Struck {
  /** What was hit: `worker-2`, `gateway-1 to nats`. */
  on: string;
  /** When it was hit, ms; default: when the strike began. */
  at?: number;
  /**
   * Undoes it, as far as that is for us; resolves when it is undone. A number says how long it took until everything was
   * made up for, ms, where that is not seen from outside.
   */
  heal(): Promise<unknown>;
}

/** One way to do harm. */
export interface Fault {
  /**
   * @param target a number that chooses among what can be hit now
   * @returns undefined when there is nothing to hit now
   */
  strike(stage: Stage, target: number): Promise<Struck | undefined>;
}

export function choose<T>(candidates: readonly T[], target: number): T | undefined {
  return candidates[target % Math.max(1, candidates.length)];
}
