/** Watches what is stored in the log, record by record, and finds at once what must never be there. */
import { decodeLogBody, type FanOutMode, positionOf, readHeader } from "@carillon/bus";
import { decodeEvent, type Event } from "@carillon/protocol";
import type { Coverage } from "./coverage";
import type { Stored, Stream } from "./streams";

export interface SeenEvent {
  event: Event;
  position: number;
  requestId: number;
  /** Of an event that tells of a change of its group. */
  version: number | undefined;
  fanOut: FanOutMode;
  /** ms since the run began. */
  at: number;
}

export class LogObserver {
  readonly events: SeenEvent[] = [];
  readonly violations: string[] = [];
  /** By "sender conversation clientMsgId". */
  readonly byId = new Map<string, SeenEvent>();
  readonly byRequest = new Map<number, SeenEvent>();
  /** Changes of the group whose events are stored. */
  readonly versions = new Set<number>();
  private lastVersion = 0;
  private readonly lastSeq = new Map<string, number>();
  private readonly messageIds = new Set<string>();
  private lastRecord = 0;
  private covered = 0;
  private owner = "";
  epoch = 0;
  /** Told when a record covers more of the queue than those before: by whom, from where, to where. */
  onCovered: (boot: string, from: number, to: number) => void = () => {};

  constructor(
    private readonly log: Stream,
    private readonly now: () => number,
    private readonly coverage: Coverage,
  ) {
    log.listeners.add(() => {
      const stored = log.messages.get(log.lastSeq);
      if (stored !== undefined && stored.seq > this.lastRecord) this.see(stored);
    });
  }

  private see({ seq, data, header }: Stored): void {
    this.lastRecord = seq;
    const body = decodeLogBody(data);
    const { epoch, boot, covered } = readHeader(header);
    if (epoch < this.epoch) this.violations.push(`I5: record ${seq} of epoch ${epoch} after one of ${this.epoch}`);
    this.epoch = epoch;
    if (body.kind === "epoch") {
      this.coverage.count("take-overs");
      // Nobody else wrote: it gave up what was its own, and everybody waited for nothing. (Where the log was full, a
      // release may not have been written.)
      if (boot === this.owner && this.log.refusals === 0)
        this.violations.push(`I10: ${boot} took the partition from itself`);
    }
    // A take-over that failed after its epoch record is tried again.
    this.owner = body.kind === "events" ? boot : "";
    if (covered > this.covered) {
      this.onCovered(boot, this.covered, covered);
      this.covered = covered;
    }
    if (body.kind !== "events") return;
    body.events.forEach(({ event, origin, version, fanOut = "write" }, index) => {
      const position = positionOf(seq, index);
      this.take({ event: decodeEvent(event), position, requestId: origin.requestId, version, fanOut, at: this.now() });
    });
  }

  private take(seen: SeenEvent): void {
    const { event, requestId, version } = seen;
    const { conversationId, seq, messageId } = event;
    const last = this.lastSeq.get(conversationId) ?? 0;
    if (seq !== last + 1) this.violations.push(`I4: ${conversationId} goes from ${last} to ${seq}`);
    this.lastSeq.set(conversationId, seq);
    const id = idOf(event);
    if (this.byId.has(id)) this.violations.push(`I2: ${id} is stored twice`);
    if (this.messageIds.has(messageId)) this.violations.push(`messageId ${messageId} is given twice`);
    this.messageIds.add(messageId);
    this.byId.set(id, seen);
    if (version === undefined) this.byRequest.set(requestId, seen);
    else {
      if (version !== this.lastVersion + 1) this.violations.push(`I4: version ${version} after ${this.lastVersion}`);
      this.lastVersion = version;
      this.versions.add(version);
    }
    this.events.push(seen);
  }
}

export function idOf(key: { senderId: string; conversationId: string; clientMsgId: string }): string {
  return `${key.senderId} ${key.conversationId} ${key.clientMsgId}`;
}
