/** How far ahead of the server's clock an id may be dated. */
import { type OriginatedRequest, senderRole } from "@carillon/bus";
import { limits } from "@carillon/protocol";

/** Of other systems, whose clocks nobody sets by this server's. Each of their messages costs a question to the archive. */
const OF_KEYS_MS = 5 * 60_000;

/** @returns ms: seconds for clients, which are told the time; minutes for what came with an API key */
export function mostAheadMs({ gateway }: Pick<OriginatedRequest, "gateway">): number {
  return senderRole(gateway) === "api" ? OF_KEYS_MS : limits.maxClockAheadMs;
}
