/** Reads a partition's log: its state, a part of it for a fold, or all of it as it grows. */
import { guarded, hash32, retryFor, sleep } from "@carillon/base";
import { type Consumer, type ConsumerMessages, DeliverPolicy, JetStreamApiError, type JsMsg } from "@nats-io/jetstream";
import { type Bus, ELECTION_MS } from "../connection";
import { decodeLogBody, type LogRecord } from "../envelopes/log-records";
import { logStream, logSubject, queueStream } from "../streams/definitions";
import { ConsumerSilent, consumeSteadily } from "../streams/steady-consume";
import { readHeader } from "./log-header";

export interface LogState {
  /** Sequence of the first record in the log; lastRecord + 1 when the log is empty. */
  firstRecord: number;
  /** Sequence of the last record; 0 when there never was a record. */
  lastRecord: number;
  /** The life of queue and log, made of the times at which both streams were created. */
  streamLife: string;
  bytes: number;
  /** Bytes that events may still take. The last 5 % are reserved for epoch records, so that a full log can get another owner. */
  room: number;
}

const FOR_EVENTS = 0.95;
const REOPEN_MS = 50;
/** Status of an answer when there is no leader at this moment. */
const UNAVAILABLE = 503;

/** State of the log, and the identity of the queue that belongs to it. */
export async function readLogState(bus: Bus, partition: number): Promise<LogState> {
  const [log, queue] = await Promise.all([
    bus.jsm.streams.info(logStream(partition)),
    bus.jsm.streams.info(queueStream(partition)),
  ]);
  const { first_seq, last_seq, bytes } = log.state;
  // A stream that never had a record reports 0.
  return {
    firstRecord: Math.max(1, first_seq),
    lastRecord: last_seq,
    streamLife: hash32(`${queue.created} ${log.created}`).toString(16),
    bytes,
    room: log.config.max_bytes > 0 ? FOR_EVENTS * log.config.max_bytes - bytes : Number.POSITIVE_INFINITY,
  };
}

/** Number of batches that wait in the queue of a partition. */
export async function readQueueLength(bus: Bus, partition: number): Promise<number> {
  return (await bus.jsm.streams.info(queueStream(partition))).state.messages;
}

/**
 * Finds the sequence of the first record stored at or after `time` (ms since the Unix epoch) by halving: records have no
 * gaps, only a beginning that moves. Returns lastRecord + 1 when all records are older.
 */
export async function findRecordSince(bus: Bus, partition: number, time: number, state: LogState): Promise<number> {
  let [low, high] = [state.firstRecord, state.lastRecord + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const message = await bus.jsm.streams.getMessage(logStream(partition), { seq: middle });
    // A record that was purged meanwhile is older than all remaining records.
    if (message === null || message.time.getTime() < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Time at which a record was stored, ms since the Unix epoch; undefined: the log does not have it. */
export async function readRecordTime(bus: Bus, partition: number, seq: number): Promise<number | undefined> {
  return (await bus.jsm.streams.getMessage(logStream(partition), { seq }))?.time.getTime();
}

/** Number of records read ahead. */
const PREFETCH = 256;

/**
 * Follows the log from record `from` on, in order and without a gap, through reconnects and deaths of servers, until
 * stopped. The consumer waits for each callback before it hands out the next record.
 */
export class LogFollower {
  private messages: ConsumerMessages | undefined;
  private stopped = false;

  constructor(
    private readonly bus: Bus,
    private readonly partition: number,
  ) {}

  /** Runs until stop(), or until the callback returns false. @throws Error when the log cannot be opened */
  async run(from: number, onRecord: (record: LogRecord) => Promise<boolean> | boolean): Promise<void> {
    let next = Math.max(1, from);
    const take = async (message: JsMsg) => {
      const isWanted = await onRecord(toRecord(this.partition, message));
      next = message.seq + 1;
      return isWanted;
    };
    while (!this.stopped) {
      try {
        return await this.read(next, take);
      } catch (error) {
        if (!(error instanceof ConsumerSilent)) throw error;
        await sleep(REOPEN_MS);
      }
    }
  }

  /** Reads with one consumer until that consumer ends. */
  private async read(from: number, onMessage: (message: JsMsg) => Promise<boolean>): Promise<void> {
    const consumer = await retryFor(ELECTION_MS, () => this.open(from), isRefusal);
    if (consumer === undefined) return;
    const messages = await consumeSteadily(this.bus, consumer, PREFETCH);
    this.messages = messages;
    try {
      if (this.stopped) return;
      for await (const message of messages) {
        if (this.stopped || !(await onMessage(message))) return;
      }
    } finally {
      messages.stop();
    }
  }

  /** Creates the consumer. A NATS cluster may place its single copy on a dead server: then there is no answer. */
  private open(from: number): Promise<Consumer | undefined> {
    if (this.stopped) return Promise.resolve(undefined);
    return this.bus.js.consumers.get(logStream(this.partition), {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: from,
    });
  }

  stop(): void {
    this.stopped = true;
    this.messages?.stop();
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.status !== UNAVAILABLE;
}

/** A record that does not arrive within this time counts as deleted, ms; the time also covers an absence of NATS. */
const RECORD_MS = 15_000;

/**
 * Reads the records from `from` up to `to` (both inclusive).
 * @throws Error when no record arrived for 15 s: the records were deleted, or NATS is away
 */
export async function readLog(
  bus: Bus,
  partition: number,
  from: number,
  to: number,
  onRecord: (record: LogRecord) => Promise<void> | void,
): Promise<void> {
  if (from > to) return;
  const follower = new LogFollower(bus, partition);
  const waiting = { for: from, since: performance.now(), isOver: false };
  const look = () => {
    if (performance.now() - waiting.since < RECORD_MS) return;
    waiting.isOver = true;
    follower.stop();
  };
  const watch = setInterval(guarded("timer", look), 1_000);
  try {
    await follower.run(from, async (record) => {
      // The work on a record may take long.
      waiting.since = Number.POSITIVE_INFINITY;
      if (record.seq <= to) await onRecord(record);
      Object.assign(waiting, { for: record.seq + 1, since: performance.now() });
      return record.seq < to;
    });
  } finally {
    clearInterval(watch);
  }
  if (waiting.isOver && waiting.for <= to) {
    throw new Error(
      `record ${waiting.for} of the log of partition ${partition} did not arrive, although the log goes up to ${to}`,
    );
  }
}

/** Deletes the records before `seq`; without `seq` all records, after which no worker accepts the log. */
export async function purgeLog(bus: Bus, partition: number, seq?: number): Promise<number> {
  const stream = logStream(partition);
  const { purged } = await (seq === undefined ? bus.jsm.streams.purge(stream) : bus.jsm.streams.purge(stream, { seq }));
  return purged;
}

function toRecord(partition: number, message: JsMsg): LogRecord {
  return {
    seq: message.seq,
    storedAt: Math.floor(message.info.timestampNanos / 1_000_000),
    header: readHeader(partition, message),
    body: decodeLogBody(message.data),
  };
}

/** Reads the last record of the log from its leader; undefined when there is none. */
export async function readLastRecord(bus: Bus, partition: number): Promise<LogRecord | undefined> {
  const found = await bus.jsm.streams.getMessage(logStream(partition), { last_by_subj: logSubject(partition) });
  if (found === null) return undefined;
  const { seq, subject, time, header: headers, data } = found;
  const header = readHeader(partition, { subject, headers });
  return { seq, storedAt: time.getTime(), header, body: decodeLogBody(data) };
}
