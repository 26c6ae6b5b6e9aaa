/** Watches the log record by record, and reports a forbidden record at once. */
import { partitionOf } from "@carillon/base";
import { decodeLogBody, type FanOutMode, positionOf, readHeader } from "@carillon/bus";
import { decodeEvent, type Event } from "@carillon/protocol";
import type { Coverage } from "./coverage";
import type { Stored, Stream } from "./streams";

export interface SeenEvent {
  event: Event;
  partition: number;
  position: number;
  requestId: number;
  /** Of an event that tells of a change of its group. */
  version: number | undefined;
  fanOut: FanOutMode;
  /** ms since the run began. */
  at: number;
}

/** The observed state of one partition's log. */
interface SeenLog {
  partition: number;
  log: Stream;
  lastRecord: number;
  covered: number;
  owner: string;
  ownerEpoch: number;
}

export class LogObserver {
  /** Events of all partitions, in the order in which they were stored. */
  readonly events: SeenEvent[] = [];
  readonly violations: string[] = [];
  /** Events by "sender conversation clientMsgId". */
  readonly byId = new Map<string, SeenEvent>();
  readonly byRequest = new Map<number, SeenEvent>();
  /** Changes of the group whose events are stored. */
  readonly versions = new Set<number>();
  private lastVersion = 0;
  private readonly lastSeq = new Map<string, number>();
  private readonly messageIds = new Set<string>();
  /** Called when a record covers more of the queue than before, with the partition, the writer, the first and the last place. */
  onCovered: (partition: number, boot: string, from: number, to: number) => void = () => {};

  constructor(
    private readonly logs: Stream[],
    private readonly now: () => number,
    private readonly coverage: Coverage,
  ) {
    for (const [partition, log] of logs.entries()) {
      const seen: SeenLog = { partition, log, lastRecord: 0, covered: 0, owner: "", ownerEpoch: 0 };
      log.listeners.add(() => {
        const stored = log.messages.get(log.lastSeq);
        if (stored !== undefined && stored.seq > seen.lastRecord) this.see(seen, stored);
      });
    }
  }

  private see(of: SeenLog, { seq, subject, data, header }: Stored): void {
    of.lastRecord = seq;
    const body = decodeLogBody(data);
    const { ownerEpoch, boot, covered } = readHeader(of.partition, { subject, headers: header });
    if (ownerEpoch < of.ownerEpoch)
      this.violations.push(`I5: record ${seq} of epoch ${ownerEpoch} after one of ${of.ownerEpoch}`);
    of.ownerEpoch = ownerEpoch;
    if (body.kind === "epoch") {
      this.coverage.count("take-overs");
      // No other worker wrote: the owner gave up its own partition, and all workers waited for nothing. (Where the log was
      // full, a release may not have been written.)
      if (boot === of.owner && of.log.refusals === 0)
        this.violations.push(`I10: ${boot} took the partition from itself`);
    }
    // A take-over that failed after its epoch record is tried again.
    of.owner = body.kind === "events" ? boot : "";
    if (covered > of.covered) {
      this.onCovered(of.partition, boot, of.covered, covered);
      of.covered = covered;
    }
    if (body.kind !== "events") return;
    body.events.forEach(({ event, origin, version, fanOut = "write" }, index) => {
      const position = positionOf(seq, index);
      const { partition } = of;
      const { requestId } = origin;
      this.take({ event: decodeEvent(event), partition, position, requestId, version, fanOut, at: this.now() });
    });
  }

  private take(seen: SeenEvent): void {
    const { event, requestId, version } = seen;
    const { conversationId, seq, messageId } = event;
    if (partitionOf(conversationId, this.logs.length) !== seen.partition) {
      this.violations.push(`I5: ${conversationId} is in the log of partition ${seen.partition}`);
    }
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
