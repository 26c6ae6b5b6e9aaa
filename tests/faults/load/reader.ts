/**
 * The user of a device reads: at intervals they mark a conversation as read up to the last shown message, and repeat the mark
 * until it is answered.
 */
import type { DeviceRecorder, SentRead } from "@carillon/testkit";

/** Messages of others between two marks. */
const READ_EVERY = 7;

export class Reader {
  private shown = 0;
  private sent: SentRead | undefined;

  constructor(
    private readonly recorder: DeviceRecorder,
    private readonly conversationId: string,
  ) {}

  /** Learns that the message of another user was shown. @returns whether there is a mark to send now */
  show(seq: number): boolean {
    if (++this.shown % READ_EVERY !== 0 || seq <= (this.sent?.seq ?? 0)) return false;
    this.sent = this.recorder.read(this.conversationId, seq);
    return true;
  }

  /** The mark that has no answer yet. */
  get pending(): SentRead | undefined {
    return this.sent?.answeredAt === undefined ? this.sent : undefined;
  }

  /** The same in words. */
  get behind(): string | undefined {
    return this.pending && `waits for the answer to READ ${this.pending.seq}`;
  }

  /** Learns that a READ up to this number was answered. */
  answered(seq: number): void {
    for (const read of this.recorder.history.reads) if (read.seq <= seq) read.answeredAt ??= performance.now();
  }

  /** The user may not read there any more, so their marks there do not count. */
  giveUp(): void {
    this.sent = undefined;
  }
}
