/**
 * The single writer of a partition's log. Every append names the last sequence that it expects. NATS refuses the append when
 * another worker wrote there first. Only this fence keeps a former owner from writing.
 *
 * An append without an answer decides nothing, and neither does error 10071 (wrong last sequence): the writer's
 * own first try may have been stored. So the writer reads the record at the expected place. Its own record (same epoch, boot and
 * append number) means that the append succeeded. Another writer's record, or a record that was purged already, means that the
 * partition is lost. No record means that the writer sends the same bytes again. It never builds a different record for the
 * same place.
 */
import { Backoff, sleep } from "@carillon/base";
import { JetStreamApiError } from "@nats-io/jetstream";
import { headers, RequestError } from "@nats-io/transport-node";
import type { Bus } from "../connection";
import { encodeLogBody, type LogBody, type LogHeader } from "../envelopes/log-records";
import { logStream, logSubject } from "../streams/definitions";
import { readHeader, writeHeader } from "./log-header";
import { readLogState } from "./log-reader";

const ANSWER_MS = 2_000;
const STREAM_FULL = 10077;
/** Upper limit of the bytes of a record's header. */
const HEADER_BYTES = 1_024;

/** Another worker wrote to the log: this worker no longer owns the partition. */
export class PartitionLost extends Error {
  constructor(partition: number) {
    super(`partition ${partition} has another owner`);
    this.name = "PartitionLost";
  }
}

/** The log is at its limit. Nothing was stored; the archiver has to catch up. */
export class LogFull extends Error {
  constructor(partition: number) {
    super(`the log of partition ${partition} is full`);
    this.name = "LogFull";
  }
}

/** NATS does not accept a message of that size, however often it is sent. */
export class RecordTooLarge extends Error {
  constructor(partition: number, bytes: number, most: number) {
    super(`a record of ${bytes} bytes is too large for the log of partition ${partition}: NATS takes ${most}`);
    this.name = "RecordTooLarge";
  }
}

export interface LogWriterOptions {
  bus: Bus;
  partition: number;
  ownerEpoch: number;
  boot: string;
  /** The life of queue and log that the writer knows (readLogState). */
  streamLife: string;
  /** Sequence of the last record; this writer begins after it. */
  lastRecord: number;
  /** Bytes that events may take until the next call of setRoom. */
  room: number;
}

export class LogWriter {
  private appends = 0;
  private last: number;
  private room: number;
  private readonly stopping = new AbortController();

  constructor(private readonly options: LogWriterOptions) {
    this.last = options.lastRecord;
    this.room = options.room;
  }

  /** Sets the number of bytes that events may take from now on (LogState.room). */
  setRoom(bytes: number): void {
    this.room = bytes;
  }

  get streamLife(): string {
    return this.options.streamLife;
  }

  /** Sequence of the last record. */
  get lastRecord(): number {
    return this.last;
  }

  /**
   * Appends one record; one append at a time. Waits as long as NATS needs for a verdict.
   * @returns the record's sequence
   * @throws PartitionLost, LogFull, RecordTooLarge
   */
  async append(body: LogBody, progress: { covered: number; fanout: number }): Promise<number> {
    const { bus, ownerEpoch, boot, streamLife, partition } = this.options;
    const bytes = encodeLogBody(body);
    if (body.kind === "events" && bytes.length > this.room) throw new LogFull(partition);
    const most = (bus.connection.info?.max_payload ?? Number.POSITIVE_INFINITY) - HEADER_BYTES;
    if (bytes.length > most) throw new RecordTooLarge(partition, bytes.length, most);
    const header: LogHeader = { ownerEpoch, boot, append: ++this.appends, ...progress, streamLife };
    const backoff = new Backoff({ first: 20, most: 1_000 });
    while (true) {
      if (await this.attempt(header, bytes)) {
        this.room -= bytes.length;
        return ++this.last;
      }
      await sleep(backoff.next(), this.stopping.signal);
      if (this.stopping.signal.aborted) throw new PartitionLost(this.options.partition);
    }
  }

  /** Ends an append that waits for NATS; the next owner will see whether it was stored. */
  stop(): void {
    this.stopping.abort();
  }

  /** @returns whether the record is stored; false: the caller sends it again */
  private async attempt(header: LogHeader, bytes: Uint8Array): Promise<boolean> {
    const { bus, partition } = this.options;
    const natsHeaders = headers();
    writeHeader(natsHeaders, header);
    try {
      await bus.js.publish(logSubject(partition), bytes, {
        headers: natsHeaders,
        expect: { lastSequence: this.last },
        timeout: ANSWER_MS,
      });
      return true;
    } catch (error) {
      // The log has no leader, and only a leader can tell whether an earlier try was stored.
      if (isTakenByNobody(error)) return false;
      const full = error instanceof JetStreamApiError && error.code === STREAM_FULL;
      const stored = await this.readVerdict(header).catch(() => "unknown" as const);
      if (stored === "own") return true;
      if (stored === "other") throw new PartitionLost(partition);
      if (stored === "none" && full) throw new LogFull(partition);
      bus.logger.warn({ partition, stored, err: error }, "there is no verdict on an append; it is sent again");
      return false;
    }
  }

  private async readVerdict(header: LogHeader): Promise<"own" | "other" | "none"> {
    const { bus, partition } = this.options;
    const read = () => bus.jsm.streams.getMessage(logStream(partition), { seq: this.last + 1 });
    let found = await read();
    if (found === null) {
      if ((await readLogState(bus, partition)).lastRecord === this.last) return "none";
      // The record was stored just now, or it was purged: a writer that was paused for long is not the owner.
      found = await read();
      if (found === null) return "other";
    }
    const other = readHeader(partition, { subject: found.subject, headers: found.header });
    const own = other.ownerEpoch === header.ownerEpoch && other.boot === header.boot && other.append === header.append;
    return own ? "own" : "other";
  }
}

function isTakenByNobody(error: unknown): boolean {
  const { cause } = error as Error;
  return cause instanceof RequestError && cause.isNoResponders();
}
