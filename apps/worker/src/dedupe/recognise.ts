/** Is this request new, or one that was accepted before? Pure: what the archive said is passed in. */
import type { OriginatedRequest } from "@carillon/bus";
import { uuidv7Time } from "@carillon/protocol";
import type { AcceptedMessage } from "./accepted-message";
import type { DedupeTable } from "./dedupe-table";
import { mostAheadMs } from "./most-ahead";

/** Clients date their ids, and old messages are deleted by the time at which they were accepted. */
const AGE_MARGIN_MS = 60_000;

export type Recognition =
  | { kind: "new" }
  | { kind: "duplicate"; first: AcceptedMessage }
  /** The id was used for another body. */
  | { kind: "conflict" }
  /** The id is dated ahead of the server's clock. */
  | { kind: "ahead" }
  /** The id is dated before what is kept: it may be a repeat of what was deleted. */
  | { kind: "too-old" }
  /** Only the archive can tell, and it has not answered. */
  | { kind: "unknown" };

/**
 * @param accepted the entry of the table, or of the same round
 * @param archived the archive's answer: null when it has no such message, undefined when it was not asked or silent
 * @param keptSince ms since 1970: what was sent before may have been deleted
 */
export function recognise(
  request: OriginatedRequest,
  digest: string,
  accepted: AcceptedMessage | undefined,
  archived: AcceptedMessage | null | undefined,
  table: DedupeTable,
  now: number,
  keptSince: number,
): Recognition {
  const first = accepted ?? archived ?? undefined;
  if (first !== undefined) {
    const isSame = first.digest === undefined || first.digest === digest;
    return isSame ? { kind: "duplicate", first } : { kind: "conflict" };
  }
  const datedAt = uuidv7Time(request.clientMsgId);
  if (datedAt > now + mostAheadMs(request)) return { kind: "ahead" };
  if (datedAt < keptSince + AGE_MARGIN_MS) return { kind: "too-old" };
  if (archived === undefined && table.needsArchive(request)) return { kind: "unknown" };
  return { kind: "new" };
}
