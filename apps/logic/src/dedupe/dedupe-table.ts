/**
 * All ids accepted since a floor F, with their first results: the one-minute idempotency cache. An id dated after
 * F that is not in the table was never accepted; an older one is looked up in the archive, which has everything
 * before F, because entries leave the table only when they are archived. So any retry is recognised for ever.
 */
import type { SendRequest } from "@carillon/bus";
import { uuidv7Time } from "@carillon/protocol";

/** Clients' clocks may be this much off before the archive is asked, ms. */
const FLOOR_MARGIN_MS = 10_000;

export interface AcceptedMessage {
  /** Digest of kind and body; undefined when the archive no longer has the body. */
  digest: string | undefined;
  seq: number;
  messageId: string;
  sentAt: number;
}

/** An accepted message with the request that it came from. */
export interface AcceptedRequest extends AcceptedMessage {
  senderId: string;
  conversationId: string;
  clientMsgId: string;
}

interface Entry {
  message: AcceptedRequest;
  /** Log position. */
  position: number;
  /** When the log stored it, ms. */
  storedAt: number;
  /** Another sender's or conversation's message under the same id: rare, so a chain will do. */
  next: Entry | undefined;
}

export class DedupeTable {
  /** By clientMsgId, in the order of the log, so that the oldest come first. */
  private readonly entries = new Map<string, Entry>();

  constructor(private floorTime: number) {}

  /** Time (ms) since which the table knows every accepted id. */
  get floor(): number {
    return this.floorTime;
  }

  /** The table knows all ids since the record stored at `time` (ms), the first that is folded. */
  beginAt(time: number): void {
    this.floorTime = time;
  }

  /** Number of different ids. */
  get size(): number {
    return this.entries.size;
  }

  find(senderId: string, conversationId: string, clientMsgId: string): AcceptedMessage | undefined {
    let entry = this.entries.get(clientMsgId);
    while (entry !== undefined) {
      const { message } = entry;
      if (message.senderId === senderId && message.conversationId === conversationId) return message;
      entry = entry.next;
    }
    return undefined;
  }

  /** Whether only the archive can tell if this id was accepted before. */
  needsArchive({ senderId, conversationId, clientMsgId }: SendRequest): boolean {
    return (
      this.floorTime > 0 &&
      uuidv7Time(clientMsgId) <= this.floorTime + FLOOR_MARGIN_MS &&
      this.find(senderId, conversationId, clientMsgId) === undefined
    );
  }

  /** @param position log position, rising; @param storedAt when the log stored it, ms */
  add(message: AcceptedRequest, position: number, storedAt: number): void {
    const next = this.entries.get(message.clientMsgId);
    // A chain lives as long as its youngest: it moves to the end.
    if (next !== undefined) this.entries.delete(message.clientMsgId);
    this.entries.set(message.clientMsgId, { message, position, storedAt, next });
  }

  /** Drops what is older than `olderThan` (ms) and archived up to log position `archived`; the floor rises. */
  prune(olderThan: number, archived: number): void {
    for (const [id, entry] of this.entries) {
      if (entry.storedAt >= olderThan || entry.position > archived) return;
      this.entries.delete(id);
      this.floorTime = Math.max(this.floorTime, entry.storedAt + 1);
    }
  }
}
