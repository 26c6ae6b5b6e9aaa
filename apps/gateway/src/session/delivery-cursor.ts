/**
 * How far one device has been served from its user's inbox. What was sent and not acknowledged is remembered by
 * number, so that RECEIVED can be checked and turned into delivered marks. A device that does not acknowledge, or
 * does not read, is not sent more: it falls out of the live stream and is served from the inbox when it catches up.
 * What stays unacknowledged for too long is sent again from there: the cursor is rewound.
 */
import type { EventHead } from "@carillon/protocol";

/** Events that may be unacknowledged at once. */
export const MOST_UNACKNOWLEDGED = 512;

interface SentEvent {
  inboxSeq: number;
  head: EventHead;
}

export class DeliveryCursor {
  /** Events that were sent at least once and are not acknowledged, in inbox order. */
  private unacknowledged: SentEvent[] = [];
  private ackedSeq: number;
  /** `live`: gets what comes in. `behind`: is read to from the inbox. */
  mode: "live" | "behind" = "behind";
  /** Whether a read of the inbox is under way. */
  reading = false;

  /** @param sentSeq number of the last event that the device has */
  constructor(
    public epoch: string,
    public sentSeq: number,
  ) {
    this.ackedSeq = sentSeq;
  }

  get unacknowledgedCount(): number {
    return this.sentSeq - this.ackedSeq;
  }

  /** Whether something that was sent, at least once, is not acknowledged. */
  get isAwaiting(): boolean {
    return this.unacknowledged.length > 0;
  }

  get acked(): number {
    return this.ackedSeq;
  }

  /** Highest number that was ever sent in this epoch; after a rewind `sentSeq` is below it. */
  private get highestSent(): number {
    return this.unacknowledged.at(-1)?.inboxSeq ?? this.ackedSeq;
  }

  /** Room for more events. */
  get room(): number {
    return MOST_UNACKNOWLEDGED - this.unacknowledgedCount;
  }

  sent(inboxSeq: number, head: EventHead): void {
    this.sentSeq = inboxSeq;
    if (inboxSeq <= this.highestSent) return;
    this.unacknowledged.push({ inboxSeq, head });
  }

  /**
   * The device has everything up to `inboxSeq`.
   * @returns what became acknowledged, or undefined when the number was never sent
   */
  received(inboxSeq: number): EventHead[] | undefined {
    if (inboxSeq > this.highestSent) return undefined;
    this.ackedSeq = Math.max(this.ackedSeq, inboxSeq);
    this.sentSeq = Math.max(this.sentSeq, this.ackedSeq);
    let count = 0;
    while (count < this.unacknowledged.length && this.unacknowledged[count]!.inboxSeq <= inboxSeq) count++;
    return this.unacknowledged.splice(0, count).map(({ head }) => head);
  }

  /** What is not acknowledged is to be sent again, from the inbox. */
  rewind(): void {
    this.sentSeq = this.ackedSeq;
    this.mode = "behind";
  }

  /** The inbox began anew. */
  reset(epoch: string, sentSeq: number): void {
    this.epoch = epoch;
    this.sentSeq = sentSeq;
    this.ackedSeq = sentSeq;
    this.unacknowledged = [];
    this.mode = "behind";
  }
}
