/**
 * The members of one group that a process holds. They check and time every event: the messages are due on a schedule that all
 * processes know, and the events have its order, so the number of a message tells when it was due.
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

/** The data with which one member connects; another process can receive it by IPC. */
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
  /** The instant of the first message, by the machine's clock, ms. */
  startedAt: number;
}

export interface MemberCounts {
  /** Events in the measured time. */
  events: number;
  notices: number;
  /** Number of members that neither have all events nor have a notice of them. */
  behind: number;
  errors: string[];
}

export interface MemberTimes {
  /** From the instant at which a message was due until an event shows it, us. */
  shown: Histogram;
  /** For the oldest message that a notice tells of: from the instant at which it was due until the notice, us. */
  told: Histogram;
}

export const newMemberTimes = (): MemberTimes => ({
  shown: buildHistogram({ numberOfSignificantValueDigits: 3 }),
  told: buildHistogram({ numberOfSignificantValueDigits: 3 }),
});

export class Members {
  readonly times = newMemberTimes();
  /** Number of messages of these members that the server has accepted. */
  accepted = 0;
  private readonly clients: LoadClient[] = [];
  /** By member: the last number of which the member has the event or a notice. */
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

  /** Sets the instants at which messages are due; the run calls this before the first message. */
  expect({ perSecond, startedAt }: GroupPace): void {
    this.schedule = new Schedule(perSecond, startedAt);
  }

  send(member: number, content: string): void {
    this.clients[member]!.send(content);
  }

  measure(isMeasuring: boolean): void {
    this.isMeasuring = isMeasuring;
  }

  /** @param sent number of messages up to now, by all members of all processes */
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
      ...{ tcp, userId, token, to: this.conversationId, deviceId: DEVICE, lastSeq: FIRST_SEQ },
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
    // The oldest message that the notice tells of has waited longest.
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
