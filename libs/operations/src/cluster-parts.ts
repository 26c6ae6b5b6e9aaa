import type { Bus } from "@carillon/bus";
import type { Coordination } from "@carillon/coordination";
import { CarillonError } from "@carillon/protocol";
import type { MysqlStore, RedisStore } from "@carillon/store";

/** The parts of a cluster that operators inspect. The stores may be opened at their first use. */
export interface ClusterParts {
  readonly bus: Bus;
  readonly coordination: Pick<Coordination, "view" | "partitions">;
  redis(): Promise<RedisStore>;
  mysql(): Promise<MysqlStore>;
}

/** The cluster, or a part of it that the work needs, does not answer or does not exist. */
export class NotReached extends Error {
  override readonly name = "NotReached";
}

/** The request is impossible: the thing does not exist, or its name has a wrong form. */
export class WrongUse extends Error {
  override readonly name = "WrongUse";
}

/**
 * Refuses a time in the past: a time in seconds, or of a wrong day, would silently have no effect.
 * @param at ms; 0 stands for no time
 * @throws CarillonError BAD_PAYLOAD unless the time is 0 or lies ahead
 */
export function mustLieAhead(key: string, at: number, now: number): void {
  if (at !== 0 && at <= now) throw new CarillonError("BAD_PAYLOAD", `${key}: must lie ahead, in ms since 1970`);
}
