/** Is this request new, or one that was accepted before? Pure: what the archive said is passed in. */
import type { SendRequest } from "@carillon/bus";
import { limits, uuidv7Time } from "@carillon/protocol";
import type { AcceptedMessage, DedupeTable } from "./dedupe-table";

export type Recognition =
  | { kind: "new" }
  | { kind: "duplicate"; first: AcceptedMessage }
  /** The id was used for another body. */
  | { kind: "conflict" }
  /** The id is dated ahead of the server's clock. */
  | { kind: "ahead" }
  /** Only the archive can tell, and it has not answered. */
  | { kind: "unknown" };

/**
 * @param accepted the entry of the table, or of the same round
 * @param archived the archive's answer: null when it has no such message, undefined when it was not asked or silent
 */
export function recognise(
  request: SendRequest,
  digest: string,
  accepted: AcceptedMessage | undefined,
  archived: AcceptedMessage | null | undefined,
  table: DedupeTable,
  now: number,
): Recognition {
  const first = accepted ?? archived ?? undefined;
  if (first !== undefined) {
    const isSame = first.digest === undefined || first.digest === digest;
    return isSame ? { kind: "duplicate", first } : { kind: "conflict" };
  }
  if (uuidv7Time(request.clientMsgId) > now + limits.maxClockAheadMs) return { kind: "ahead" };
  if (archived === undefined && table.needsArchive(request)) return { kind: "unknown" };
  return { kind: "new" };
}
