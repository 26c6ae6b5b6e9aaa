/** Audits the log of a partition: its numbers, its events in the archive, and the progress of the fan-out. */
import { getOrSet } from "@carillon/base";
import {
  endOfRecord,
  type LoggedEvent,
  type LogRecord,
  type LogState,
  positionOf,
  readLog,
  readLogState,
  recordSeqOf,
} from "@carillon/bus";
import { decodeEvent, type Event, peekEvent } from "@carillon/protocol";
import type { ArchivedMessage } from "@carillon/store";
import { Inboxes, type MysqlStore } from "@carillon/store";
import type { ClusterParts } from "../cluster-parts";
import { judgeArchived, judgeJoint, LogNumbers } from "./compare";
import type { Findings } from "./findings";

/** Number of messages compared by one statement. */
const PAGE = 200;
const PROGRESS_EVERY = 20_000;

/** The events of a conversation that inboxes must contain. */
interface FilledConversation {
  /** The last number in the inboxes. */
  last: number;
  /** For a group: the numbers that went to all members of that time, as far as the log still knows. */
  written: number[];
}

export type Filled = ReadonlyMap<string, FilledConversation>;

export interface AuditedLog {
  filled: Filled;
  /** The last number in the log, by conversation. */
  last: ReadonlyMap<string, number>;
}

/** @param only the conversation to audit; undefined: all conversations */
export async function auditLog(
  cluster: ClusterParts,
  findings: Findings,
  partition: number,
  only: string | undefined,
): Promise<AuditedLog> {
  const mysql = await cluster.mysql();
  const archive = (await mysql.facts.archivePositions()).get(partition)?.position ?? -1;
  const fanout = (await new Inboxes(await cluster.redis()).fanoutPosition(partition)) ?? -1;
  // Read last, so that nothing that was read before can be ahead of it.
  const state = await readLogState(cluster.bus, partition);
  judgePositions(findings, partition, state, { archive, fanout });
  const audit = new LogAudit(mysql, findings, { archive, fanout, only });
  await readLog(cluster.bus, partition, state.firstRecord, state.lastRecord, (record) => audit.take(record));
  await audit.end();
  return audit;
}

function judgePositions(
  findings: Findings,
  partition: number,
  { firstRecord, lastRecord }: LogState,
  { archive, fanout }: { archive: number; fanout: number },
): void {
  const where = `LOG_${partition}`;
  const say = (what: string) => findings.add([{ invariant: "position", where, what }]);
  if (fanout > endOfRecord(lastRecord))
    say(`it ends at ${lastRecord}, inboxes are filled up to ${recordSeqOf(fanout)}`);
  if (archive > endOfRecord(lastRecord)) say(`it ends at ${lastRecord}, the archive is at ${recordSeqOf(archive)}`);
  const archived = archive < 0 ? 0 : recordSeqOf(archive);
  if (firstRecord > archived + 1) say(`it begins at ${firstRecord}, the archive is at ${archived}`);
}

class LogAudit implements AuditedLog {
  readonly filled = new Map<string, FilledConversation>();
  private readonly numbers = new LogNumbers();
  private readonly joints = new Map<string, number>();
  private page: Event[] = [];

  constructor(
    private readonly mysql: MysqlStore,
    private readonly findings: Findings,
    private readonly options: { archive: number; fanout: number; only: string | undefined },
  ) {}

  get last(): ReadonlyMap<string, number> {
    return this.numbers.last;
  }

  async take({ seq, body }: LogRecord): Promise<void> {
    const { checked, progress } = this.findings;
    if (++checked.records % PROGRESS_EVERY === 0) progress(`${checked.records} records`);
    if (body.kind !== "events") return;
    for (const [index, event] of body.events.entries()) await this.takeEvent(positionOf(seq, index), event);
  }

  async end(): Promise<void> {
    await this.compare();
    const joints = [...this.joints];
    for (let at = 0; at < joints.length; at += PAGE) {
      const part = joints.slice(at, at + PAGE);
      const lasts = await this.mysql.facts.lastSeqs(part.map(([conversationId]) => conversationId));
      for (const [conversationId, first] of part) {
        this.findings.add(judgeJoint(conversationId, first, lasts.get(conversationId) ?? 0));
      }
    }
  }

  private async takeEvent(position: number, { event: bytes, fanOut }: LoggedEvent): Promise<void> {
    const { archive, fanout, only } = this.options;
    const { conversationId, seq } = peekEvent(bytes);
    if (only !== undefined && conversationId !== only) return;
    this.findings.add(this.numbers.next(conversationId, seq));
    if (position <= fanout) this.fill(conversationId, seq, fanOut);
    if (position > archive) {
      this.findings.checked.unarchived++;
      if (!this.joints.has(conversationId)) this.joints.set(conversationId, seq);
      return;
    }
    this.page.push(decodeEvent(bytes));
    if (this.page.length === PAGE) await this.compare();
  }

  private fill(conversationId: string, seq: number, fanOut: LoggedEvent["fanOut"]): void {
    const filled = getOrSet(this.filled, conversationId, () => ({ last: 0, written: [] as number[] }));
    filled.last = seq;
    const toAll = fanOut === undefined || fanOut.startsWith("write");
    if (toAll && conversationId.startsWith("g:")) filled.written.push(seq);
  }

  private async compare(): Promise<void> {
    const events = this.page;
    this.page = [];
    const rows = await this.mysql.audit.at(events);
    const found = new Map(rows.map((row) => [`${row.conversationId}#${row.seq}`, row]));
    for (const event of events) {
      const logged: ArchivedMessage = { ...event, content: event.content ?? null };
      this.findings.add(judgeArchived(logged, found.get(`${event.conversationId}#${event.seq}`)));
    }
  }
}
