/**
 * The single writer of a partition's log. Every append names the last sequence it expects; NATS refuses it when
 * somebody else wrote there first. That fence, and nothing else, keeps a former owner from writing.
 *
 * An append without an answer decides nothing, and neither does error 10071 (wrong last sequence): the writer's
 * own first try may have been stored. So the record at the expected place is read: the writer's own (same epoch,
 * boot and append number) means appended; another's, or one that was purged already, means that the partition is lost;
 * none means that the same bytes are sent again. A different record is never built for the same place.
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
/** More than the header of a record takes. */
const HEADER_BYTES = 1_024;

/** Another worker wrote to the log: this one owns the partition no more. */
export class PartitionLost extends Error {
  constructor(partition: number) {
    super(`partition ${partition} has another owner`);
    this.name = "PartitionLost";
  }
}

/** The log is at its bound. Nothing was stored; the archiver has to catch up. */
export class LogFull extends Error {
  constructor(partition: number) {
    super(`the log of partition ${partition} is full`);
    this.name = "LogFull";
  }
}

/** NATS takes no message of that size, however often it is sent. */
export class RecordTooLarge extends Error {
  constructor(partition: number, bytes: number, most: number) {
    super(`a record of ${bytes} bytes is too large for the log of partition ${partition}: NATS takes ${most}`);
    this.name = "RecordTooLarge";
  }
}

export interface LogWriterOptions {
  bus: Bus;
  partition: number;
  epoch: number;
  boot: string;
  /** Which life of queue and log the writer knows (readLogState). */
  life: string;
  /** Sequence of the last record, after which this writer begins. */
  lastSeq: number;
  /** Bytes that events may take until setRoom tells more. */
  room: number;
}

export class LogWriter {
  private appends = 0;
  private last: number;
  private room: number;
  private readonly stopping = new AbortController();

  constructor(private readonly options: LogWriterOptions) {
    this.last = options.lastSeq;
    this.room = options.room;
  }

  /** Takes over how many bytes events may take from now on (LogState.room). */
  setRoom(bytes: number): void {
    this.room = bytes;
  }

  get life(): string {
    return this.options.life;
  }

  /** Sequence of the last record. */
  get lastSeq(): number {
    return this.last;
  }

  /**
   * Appends one record; one append at a time. Waits as long as NATS takes to give a verdict.
   * @returns the record's sequence
   * @throws PartitionLost, LogFull, RecordTooLarge
   */
  async append(body: LogBody, progress: { covered: number; fanout: number }): Promise<number> {
    const { bus, epoch, boot, life, partition } = this.options;
    const bytes = encodeLogBody(body);
    if (body.kind === "events" && bytes.length > this.room) throw new LogFull(partition);
    const most = (bus.connection.info?.max_payload ?? Number.POSITIVE_INFINITY) - HEADER_BYTES;
    if (bytes.length > most) throw new RecordTooLarge(partition, bytes.length, most);
    const header: LogHeader = { epoch, boot, append: ++this.appends, ...progress, life };
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

  /** Ends an append that waits for NATS; whether it was stored the next owner will see. */
  stop(): void {
    this.stopping.abort();
  }

  /** @returns whether the record is stored; false: send it again */
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
      // The log has no leader, who alone could tell what became of an earlier try.
      if (isTakenByNobody(error)) return false;
      const full = error instanceof JetStreamApiError && error.code === STREAM_FULL;
      const stored = await this.readVerdict(header).catch(() => "unknown" as const);
      if (stored === "own") return true;
      if (stored === "other") throw new PartitionLost(partition);
      if (stored === "none" && full) throw new LogFull(partition);
      bus.logger.warn({ partition, stored, err: error }, "no verdict on an append, sent again");
      return false;
    }
  }

  private async readVerdict(header: LogHeader): Promise<"own" | "other" | "none"> {
    const { bus, partition } = this.options;
    const read = () => bus.jsm.streams.getMessage(logStream(partition), { seq: this.last + 1 });
    let found = await read();
    if (found === null) {
      if ((await readLogState(bus, partition)).lastSeq === this.last) return "none";
      // It was stored in this very moment, or it was purged: a writer that was paused for long is not the owner.
      found = await read();
      if (found === null) return "other";
    }
    const other = readHeader(found.header);
    const own = other.epoch === header.epoch && other.boot === header.boot && other.append === header.append;
    return own ? "own" : "other";
  }
}

function isTakenByNobody(error: unknown): boolean {
  const { cause } = error as Error;
  return cause instanceof RequestError && cause.isNoResponders();
}
