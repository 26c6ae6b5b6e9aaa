/**
 * How far one device has been served from its user's inbox. The cursor remembers events that were sent and not acknowledged,
 * by number, so that RECEIVED can be checked and turned into delivered marks. A device that does not acknowledge, or does not
 * read, is sent no more events: it leaves the live stream and is served from the inbox when it catches up. Events that stay
 * unacknowledged for too long are sent again from the inbox: the cursor is rewound.
 */
import type { EventHead } from "@carillon/protocol";

/** Events that a device may have unacknowledged at once. */
export const MOST_UNACKNOWLEDGED = 512;

interface SentEvent {
  inboxSeq: number;
  head: EventHead;
}

export class DeliveryCursor {
  /** Events that were sent at least once and are not acknowledged, in inbox order. */
  private unacknowledged: SentEvent[] = [];
  private ackedSeq: number;
  /** `live`: the device gets new events at once. `behind`: the device is served from the inbox. */
  mode: "live" | "behind" = "behind";
  /** Whether the inbox is being read for this device. */
  reading = false;

  /** @param sentSeq number of the last event that the device has */
  constructor(
    public inboxEpoch: string,
    public sentSeq: number,
  ) {
    this.ackedSeq = sentSeq;
  }

  get unacknowledgedCount(): number {
    return this.sentSeq - this.ackedSeq;
  }

  /** Whether any event that was sent is not acknowledged. */
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

  /** Events that the device may be sent now. */
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
   * @returns the events that this acknowledges, or undefined when the number was never sent
   */
  received(inboxSeq: number): EventHead[] | undefined {
    if (inboxSeq > this.highestSent) return undefined;
    this.ackedSeq = Math.max(this.ackedSeq, inboxSeq);
    this.sentSeq = Math.max(this.sentSeq, this.ackedSeq);
    let count = 0;
    while (count < this.unacknowledged.length && this.unacknowledged[count]!.inboxSeq <= inboxSeq) count++;
    return this.unacknowledged.splice(0, count).map(({ head }) => head);
  }

  /** Moves back to the last acknowledged event: later ones are sent again from the inbox. */
  rewind(): void {
    this.sentSeq = this.ackedSeq;
    this.mode = "behind";
  }

  /** The inbox has a new epoch. */
  reset(inboxEpoch: string, sentSeq: number): void {
    this.inboxEpoch = inboxEpoch;
    this.sentSeq = sentSeq;
    this.ackedSeq = sentSeq;
    this.unacknowledged = [];
    this.mode = "behind";
  }
}
