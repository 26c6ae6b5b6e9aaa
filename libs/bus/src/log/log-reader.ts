/** Reading a partition's log: its state, a stretch of it for a fold, or all of it as it grows. */
import { hash32 } from "@carillon/base";
import { type ConsumerMessages, DeliverPolicy, type JsMsg } from "@nats-io/jetstream";
import type { Bus } from "../connection";
import { decodeLogBody, type LogRecord } from "../envelopes/log-records";
import { logStream, logSubject, queueStream } from "../streams/definitions";
import { readHeader } from "./log-header";

export interface LogState {
  /** Sequence of the first record held; lastSeq + 1 when the log is empty. */
  firstSeq: number;
  /** Sequence of the last record; 0 when there never was one. */
  lastSeq: number;
  /** Which life queue and log have: made of the times at which both streams were created. */
  life: string;
  bytes: number;
  /** Bytes that events may still take: the last 5 % are kept for epoch records, so that a full log can change hands. */
  room: number;
}

const FOR_EVENTS = 0.95;

/** State of the log, and the identity of the queue that belongs to it. */
export async function readLogState(bus: Bus, partition: number): Promise<LogState> {
  const [log, queue] = await Promise.all([
    bus.jsm.streams.info(logStream(partition)),
    bus.jsm.streams.info(queueStream(partition)),
  ]);
  const { first_seq, last_seq, bytes } = log.state;
  // A stream that never held anything says 0.
  return {
    firstSeq: Math.max(1, first_seq),
    lastSeq: last_seq,
    life: hash32(`${queue.created} ${log.created}`).toString(16),
    bytes,
    room: log.config.max_bytes > 0 ? FOR_EVENTS * log.config.max_bytes - bytes : Number.POSITIVE_INFINITY,
  };
}

/** Requests that wait in the queue of a partition. */
export async function readQueueLength(bus: Bus, partition: number): Promise<number> {
  return (await bus.jsm.streams.info(queueStream(partition))).state.messages;
}

/**
 * Sequence of the first record stored at or after `time` (ms since the Unix epoch), by halving: records have no
 * gaps, only a beginning that moves on. lastSeq + 1 when all are older.
 */
export async function findRecordSince(bus: Bus, partition: number, time: number, state: LogState): Promise<number> {
  let [low, high] = [state.firstSeq, state.lastSeq + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const message = await bus.jsm.streams.getMessage(logStream(partition), { seq: middle });
    // A record that was purged meanwhile is older than all that are left.
    if (message === null || message.time.getTime() < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Follows the log from record `from` on, in order and without a hole, through reconnects, until stopped.
 * The consumer waits for each callback before it hands out the next record.
 */
export class LogFollower {
  private messages: ConsumerMessages | undefined;
  private stopped = false;

  constructor(
    private readonly bus: Bus,
    private readonly partition: number,
  ) {}

  /** Runs until stop(), or until the callback returns false. */
  async run(from: number, onRecord: (record: LogRecord) => Promise<boolean> | boolean): Promise<void> {
    const consumer = await this.bus.js.consumers.get(logStream(this.partition), {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, from),
    });
    this.messages = await consumer.consume({ max_messages: 256, abort_on_missing_resource: true });
    if (this.stopped) this.messages.stop();
    for await (const message of this.messages) {
      if (this.stopped || !(await onRecord(toRecord(message)))) break;
    }
    this.messages.stop();
  }

  stop(): void {
    this.stopped = true;
    this.messages?.stop();
  }
}

/** Reads the records from `from` up to `to` (both inclusive). */
export async function readLog(
  bus: Bus,
  partition: number,
  from: number,
  to: number,
  onRecord: (record: LogRecord) => Promise<void> | void,
): Promise<void> {
  if (from > to) return;
  await new LogFollower(bus, partition).run(from, async (record) => {
    if (record.seq <= to) await onRecord(record);
    return record.seq < to;
  });
}

/** Deletes the records before `seq`. */
export async function purgeLog(bus: Bus, partition: number, seq: number): Promise<number> {
  return (await bus.jsm.streams.purge(logStream(partition), { seq })).purged;
}

function toRecord(message: JsMsg): LogRecord {
  return {
    seq: message.seq,
    storedAt: Math.floor(message.info.timestampNanos / 1_000_000),
    header: readHeader(message.headers),
    body: decodeLogBody(message.data),
  };
}

/** The last record of the log, straight from its leader; undefined when there is none. */
export async function readLastRecord(bus: Bus, partition: number): Promise<LogRecord | undefined> {
  const found = await bus.jsm.streams.getMessage(logStream(partition), { last_by_subj: logSubject(partition) });
  if (found === null) return undefined;
  const { seq, time, header, data } = found;
  return { seq, storedAt: time.getTime(), header: readHeader(header), body: decodeLogBody(data) };
}
