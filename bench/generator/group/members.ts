/**
 * Members of one group that a process holds. Everything that comes is checked and timed: the messages are due on a schedule
 * that all processes know, and they come back in its order, so the number of a message tells when it was due.
 */
import { build as buildHistogram, type Histogram } from "hdr-histogram-js";
import { LoadClient } from "../carillon/load-client";
import { DEVICE } from "../carillon/protocol";
import { Schedule } from "../schedule";
import { machineNow } from "./clock";

const OPEN_AT_ONCE = 50;
const MOST_ERRORS = 20;
/** The event that made the group. */
export const FIRST_SEQ = 1;

/** How one member connects; can be told to another process. */
export interface MemberSpec {
  userId: string;
  /** Address of the member's gateway, host:port. */
  tcp: string;
  token: string;
  /** Whether the member looks at the group. */
  isFocused: boolean;
}

/** The instants at which messages are due. */
export interface GroupPace {
  perSecond: number;
  /** Of the first message, by the machine's clock, ms. */
  startedAt: number;
}

export interface MemberCounts {
  /** While it was measured. */
  events: number;
  notices: number;
  /** Members that neither have all events nor were told of them. */
  behind: number;
  errors: string[];
}

export interface MemberTimes {
  /** Due to received, us. */
  shown: Histogram;
  /** Of the oldest message that a notice tells of: due to told, us. */
  told: Histogram;
}

export const newMemberTimes = (): MemberTimes => ({
  shown: buildHistogram({ numberOfSignificantValueDigits: 3 }),
  told: buildHistogram({ numberOfSignificantValueDigits: 3 }),
});

export class Members {
  readonly times = newMemberTimes();
  /** Messages of these members that the server has taken. */
  accepted = 0;
  private readonly clients: LoadClient[] = [];
  /** Last number that each member has, or was told of. */
  private readonly reached: number[] = [];
  private readonly errors: string[] = [];
  private schedule: Schedule | undefined;
  private isMeasuring = false;
  private events = 0;
  private notices = 0;

  constructor(private readonly conversationId: string) {}

  async open(specs: readonly MemberSpec[]): Promise<void> {
    for (let at = 0; at < specs.length; at += OPEN_AT_ONCE) {
      await Promise.all(specs.slice(at, at + OPEN_AT_ONCE).map((spec, i) => this.openOne(spec, at + i)));
    }
  }

  /** From when on messages are due; to be told before the first. */
  expect({ perSecond, startedAt }: GroupPace): void {
    this.schedule = new Schedule(perSecond, startedAt);
  }

  send(member: number, content: string): void {
    this.clients[member]!.send(content);
  }

  measure(isMeasuring: boolean): void {
    this.isMeasuring = isMeasuring;
  }

  /** @param sent messages up to now, by all members of all processes */
  progress(sent: number): MemberCounts {
    const { events, notices, errors } = this;
    return { events, notices, behind: this.reached.filter((seq) => seq !== FIRST_SEQ + sent).length, errors };
  }

  close(): void {
    for (const client of this.clients) client.close();
  }

  private async openOne({ userId, tcp, token, isFocused }: MemberSpec, index: number): Promise<void> {
    this.reached[index] = FIRST_SEQ;
    const client = await LoadClient.open({
      ...{ tcp, token, to: this.conversationId, deviceId: DEVICE, lastSeq: FIRST_SEQ },
      events: {
        onEvent: ({ seq }) => this.takeEvent(index, seq),
        onNotify: (lastSeq) => this.takeNotice(index, lastSeq),
        onSent: () => {
          this.accepted++;
        },
        onBusy: () => this.fail(`${userId}: BUSY`),
        onError: (what) => this.fail(`${userId}: ${what}`),
      },
    });
    this.clients[index] = client;
    if (isFocused) client.focus(this.conversationId);
  }

  private takeEvent(member: number, seq: number): void {
    this.reached[member] = seq;
    if (!this.isMeasuring) return;
    this.events++;
    this.record(this.times.shown, seq);
  }

  private takeNotice(member: number, lastSeq: number): void {
    const news = lastSeq - this.reached[member]!;
    this.reached[member] = Math.max(this.reached[member]!, lastSeq);
    if (!this.isMeasuring || news <= 0) return;
    this.notices++;
    // The oldest message that it tells of has waited longest.
    this.record(this.times.told, lastSeq - news + 1);
  }

  private record(into: Histogram, seq: number): void {
    const due = this.schedule?.dueAt(seq - FIRST_SEQ - 1);
    if (due !== undefined) into.recordValue(Math.max(1, Math.round((machineNow() - due) * 1_000)));
  }

  private fail(what: string): void {
    if (this.errors.length < MOST_ERRORS) this.errors.push(what);
  }
}
