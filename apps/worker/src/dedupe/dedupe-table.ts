/**
 * All ids accepted since a floor F, with their first results: the one-minute idempotency cache. An id dated after
 * F that is not in the table was never accepted; an older one is looked up in the archive, which has everything
 * before F, because entries leave the table only when they are archived. So any retry is recognised for ever.
 */
import type { OriginatedRequest } from "@carillon/bus";
import { uuidv7Time } from "@carillon/protocol";
import { AcceptedLog } from "./accepted-log";
import type { AcceptedMessage, AcceptedRequest } from "./accepted-message";
import { mostAheadMs } from "./most-ahead";

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

  /** @param position log position, rising; @param storedAt when the log stored it, ms */
  add(message: AcceptedRequest, position: number, storedAt: number): void {
    this.accepted.add(message, { position, storedAt });
  }

  /** Drops what is older than `olderThan` (ms) and archived up to log position `archived`; the floor rises. */
  prune(olderThan: number, archived: number): void {
    const { accepted } = this;
    for (let age = accepted.oldest(); age !== undefined; age = accepted.oldest()) {
      if (age.storedAt >= olderThan || age.position > archived) break;
      accepted.dropOldest();
      this.floorTime = Math.max(this.floorTime, age.storedAt + 1);
    }
    accepted.shrink();
  }
}
