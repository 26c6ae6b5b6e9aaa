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
  /** Digest of kind and body. */
  digest: string;
  seq: number;
  messageId: string;
  sentAt: number;
}

interface Entry extends AcceptedMessage {
  /** Log position. */
  position: number;
  /** When the log stored it, ms. */
  storedAt: number;
}

export class DedupeTable {
  /** In the order of the log, so that the oldest come first. */
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

  get size(): number {
    return this.entries.size;
  }

  find(senderId: string, conversationId: string, clientMsgId: string): AcceptedMessage | undefined {
    return this.entries.get(keyOf(senderId, conversationId, clientMsgId));
  }

  /** Whether only the archive can tell if this id was accepted before. */
  needsArchive({ senderId, conversationId, clientMsgId }: SendRequest): boolean {
    return (
      this.floorTime > 0 &&
      uuidv7Time(clientMsgId) <= this.floorTime + FLOOR_MARGIN_MS &&
      this.find(senderId, conversationId, clientMsgId) === undefined
    );
  }

  add(senderId: string, conversationId: string, clientMsgId: string, entry: Entry): void {
    this.entries.set(keyOf(senderId, conversationId, clientMsgId), entry);
  }

  /** Drops what is older than `olderThan` (ms) and archived up to log position `archived`; the floor rises. */
  prune(olderThan: number, archived: number): void {
    for (const [key, entry] of this.entries) {
      if (entry.storedAt >= olderThan || entry.position > archived) return;
      this.entries.delete(key);
      this.floorTime = Math.max(this.floorTime, entry.storedAt + 1);
    }
  }
}

function keyOf(senderId: string, conversationId: string, clientMsgId: string): string {
  return `${clientMsgId} ${senderId} ${conversationId}`;
}
