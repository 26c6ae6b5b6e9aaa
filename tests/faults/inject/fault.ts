import type { Bus } from "@carillon/bus";
import type { RunningCluster } from "@carillon/local";
import type { Load } from "../load/load";
import type { NatsDisk } from "./disk";
import type { Links } from "./links";

/** The parts of a run that a fault may use. */
export interface Stage {
  cluster: RunningCluster;
  links: Links;
  /** A connection of the machine's own, past all proxies. */
  bus: Bus;
  load: Load;
  /** The disk, if the scenario asks for one. */
  disk: NatsDisk | undefined;
}

interface Struck {
  /** The name of the target: `worker-2`, `gateway-1 to nats`. */
  on: string;
  /** Time of the hit, ms; default: the beginning of the strike. */
  at?: number;
  /**
   * Undoes the fault as far as the machine has to do that, and resolves when it is undone. A number is the time until the
   * cluster had made up for the fault, ms, where that cannot be seen from outside.
   */
  heal(): Promise<unknown>;
}

/** One kind of fault. */
export interface Fault {
  /**
   * @param target a number that chooses among the present targets
   * @returns undefined when there is no target now
   */
  strike(stage: Stage, target: number): Promise<Struck | undefined>;
}

export function choose<T>(candidates: readonly T[], target: number): T | undefined {
  return candidates[target % Math.max(1, candidates.length)];
}
