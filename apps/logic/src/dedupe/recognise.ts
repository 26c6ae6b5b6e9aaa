/** Is this request new, or one that was accepted before? Pure: what the archive said is passed in. */
import { hash } from "node:crypto";
import type { SendRequest } from "@carillon/bus";
import { limits, uuidv7Time } from "@carillon/protocol";
import type { AcceptedMessage, DedupeTable } from "./dedupe-table";

/** Clients' clocks may be this much off before the archive is asked, ms. */
const FLOOR_MARGIN_MS = 10_000;

export type Recognition =
  | { kind: "new" }
  | { kind: "duplicate"; first: AcceptedMessage }
  /** The id was used for another body. */
  | { kind: "conflict" }
  /** The id is dated ahead of the server's clock. */
  | { kind: "ahead" }
  /** Only the archive can tell, and it has not answered. */
  | { kind: "unknown" };

/** Digest of what makes a request the same request: its kind and body. */
export function digestOf(contentType: string, content: string): string {
  return hash("sha1", `message ${contentType} ${content}`, "base64").slice(0, 16);
}

/** Whether the archive has to be asked about an id before it can be recognised. */
export function needsArchive(request: SendRequest, table: DedupeTable): boolean {
  return (
    table.floor > 0 &&
    uuidv7Time(request.clientMsgId) <= table.floor + FLOOR_MARGIN_MS &&
    table.find(request.senderId, request.conversationId, request.clientMsgId) === undefined
  );
}

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
  if (first !== undefined) return first.digest === digest ? { kind: "duplicate", first } : { kind: "conflict" };
  if (uuidv7Time(request.clientMsgId) > now + limits.maxClockAheadMs) return { kind: "ahead" };
  if (archived === undefined && needsArchive(request, table)) return { kind: "unknown" };
  return { kind: "new" };
}
