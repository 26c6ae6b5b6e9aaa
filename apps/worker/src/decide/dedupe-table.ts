/**
 * All ids accepted since a floor F, with their first results: the one-minute idempotency cache. An id dated after
 * F that is not in the table was never accepted; an older one is looked up in the archive, which has everything
 * before F, because entries leave the table only when they are archived. So any retry is recognised for ever.
 */

import { getOrSet } from "@carillon/base";
import { type OriginatedRequest, senderRole } from "@carillon/bus";
import { limits, uuidv7Time } from "@carillon/protocol";
import { AcceptedLog, type AcceptedMessage, type AcceptedRequest } from "./accepted-log";
import { type Age, mayForget } from "./unarchived";

export class DedupeTable {
  private readonly accepted = new AcceptedLog();

  constructor(private floorTime: number) {}

  /** Time (ms) since which the table knows every accepted id. */
  get floor(): number {
    return this.floorTime;
  }

  /** The table knows all ids since the record stored at `time` (ms), the first that is folded. */
  beginAt(time: number): void {
    this.floorTime = time;
  }

  get size(): number {
    return this.accepted.size;
  }

  find(senderId: string, conversationId: string, clientMsgId: string): AcceptedMessage | undefined {
    return this.accepted.find(senderId, conversationId, clientMsgId);
  }

  /** Whether only the archive can tell if this id was accepted before. */
  needsArchive(request: OriginatedRequest): boolean {
    const { senderId, conversationId, clientMsgId } = request;
    return (
      this.floorTime > 0 &&
      // A message that was accepted before the floor may be dated so much behind it.
      uuidv7Time(clientMsgId) <= this.floorTime + mostAheadMs(request) &&
      this.find(senderId, conversationId, clientMsgId) === undefined
    );
  }

  /** @param age its position is above that of all others */
  add(message: AcceptedRequest, age: Age): void {
    this.accepted.add(message, age);
  }

  /** Drops what is older than `olderThan` (ms) and archived up to log position `archived`; the floor rises. */
  prune(olderThan: number, archived: number): void {
    const { accepted } = this;
    for (let age = accepted.oldest(); age !== undefined; age = accepted.oldest()) {
      if (!mayForget(age, olderThan, archived)) break;
      accepted.dropOldest();
      this.floorTime = Math.max(this.floorTime, age.storedAt + 1);
    }
    accepted.shrink();
  }
}

/** The ids that a round has accepted so far, before they are in the log: few, and gone with the round. */

export class RoundIds {
  /** By clientMsgId; two users may use the same one. */
  private readonly accepted = new Map<string, AcceptedRequest[]>();

  find(senderId: string, conversationId: string, clientMsgId: string): AcceptedRequest | undefined {
    return this.accepted
      .get(clientMsgId)
      ?.find((one) => one.senderId === senderId && one.conversationId === conversationId);
  }

  add(message: AcceptedRequest): void {
    getOrSet(this.accepted, message.clientMsgId, (): AcceptedRequest[] => []).push(message);
  }
}

/** Is this request new, or one that was accepted before? Pure: what the archive said is passed in. */

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

/** How far ahead of the server's clock an id may be dated. */

/** Of other systems, whose clocks nobody sets by this server's. Each of their messages costs a question to the archive. */
const OF_KEYS_MS = 5 * 60_000;

/** @returns ms: seconds for clients, which are told the time; minutes for what came with an API key */
function mostAheadMs({ replyTo }: Pick<OriginatedRequest, "replyTo">): number {
  return senderRole(replyTo) === "api" ? OF_KEYS_MS : limits.maxClockAheadMs;
}
