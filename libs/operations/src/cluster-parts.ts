import type { Bus } from "@carillon/bus";
import type { Coordination } from "@carillon/coordination";
import type { MysqlStore, RedisStore } from "@carillon/store";

/** The parts of a cluster that operators inspect. The stores may be opened at their first use. */
export interface ClusterParts {
  readonly bus: Bus;
  readonly coordination: Pick<Coordination, "view" | "partitions">;
  redis(): Promise<RedisStore>;
  mysql(): Promise<MysqlStore>;
}
