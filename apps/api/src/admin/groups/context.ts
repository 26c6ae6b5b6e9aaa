import type { Logger } from "@carillon/base/node";
import type { GroupAdministration } from "@carillon/operations";
import type { FastifyRequest } from "fastify";

export interface AdminGroupsContext extends GroupAdministration {
  logger: Pick<Logger, "info">;
}

/** A line in the log for what an operator, or a key, has done to a group. */
export function noteOrder(
  { logger }: AdminGroupsContext,
  { by }: FastifyRequest,
  order: { order: string; groupId: string; [detail: string]: unknown },
): void {
  logger.info({ ...order, by }, "an operator's order about a group");
}
