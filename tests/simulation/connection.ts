/**
 * A process's connection to simulated NATS, in the shape of our Bus. Every call takes its time, and may lose its
 * request or its answer, or arrive long after the caller gave it up. A process that crashed, is paused, or is cut off is
 * simulated by the behaviour of its connection.
 */
import { getOrSet } from "@carillon/base";
import type { Bus } from "@carillon/bus";
import { type MsgHdrs, TimeoutError } from "@nats-io/transport-node";
import type { Coverage } from "./coverage";
import type { Random } from "./random";
import { apiError, type HandOut, QueueConsumer, type Stored, type Stream } from "./streams";
import type { VirtualTime } from "./virtual-time";

const EPOCH_MS = Date.UTC(2026, 0, 1);
/** Time between checks for redelivery, ms; new messages go out at once. */
const PUMP_MS = 500;

export interface Fates {
  /** Probabilities, per call. */
  requestLost: number;
  answerLost: number;
  late: number;
  /** Probability that an append is refused with 10071 for no reason, as a cluster does in an election. */
  refusedWithoutCause: number;
}

export const CALM: Fates = { requestLost: 0, answerLost: 0, late: 0, refusedWithoutCause: 0 };

/** A subject that a process serves. */
export interface Served {
  connection: Connection;
  callback(error: null, message: { subject: string; data: Uint8Array; respond(answer: Uint8Array): void }): void;
}

/** The state that all connections share. */
export interface Network {
  time: VirtualTime;
  random: Random;
  coverage: Coverage;
  streams: Map<string, Stream>;
  consumers: Map<string, QueueConsumer>;
  partitions: number;
  /** Probability that a question, or a message without an answer, is lost. */
  wordsLost: number;
  /** The processes that answer questions, by subject. */
  serving: Map<string, Set<Served>>;
  /** Called before every effect of a process: a fail point may have struck. @returns whether the process is dead */
  strike(connection: Connection): boolean;
}

type Answer<T> = { value: T } | { error: Error };

export class Connection {
  isDead = false;
  /** Nothing leaves or reaches the process before this time. */
  pausedUntil = 0;
  /** Requests are lost until this time. */
  cutUntil = 0;
  fates: Fates = CALM;
  private lastExecution = 0;
  private lastHeard = 0;
  /** An append had no clear answer: the next record that is read decides about it. */
  private isInDoubt = false;
  readonly bus: Bus;

  constructor(
    readonly name: string,
    private readonly network: Network,
  ) {
    const quiet = () => {};
    const logger = { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet, fatal: quiet };
    const { time } = network;
    const clock = { now: () => EPOCH_MS + Math.floor(time.now), monotonic: () => time.now };
    const connection = {
      isClosed: () => this.isDead,
      // The only question to the server of this form is that for the names of the queue's consumers.
      request: (subject: string, data: Uint8Array, { timeout = 5_000 } = {}) =>
        subject.startsWith("im.rpc.")
          ? this.ask(subject, data, timeout)
          : this.call(() => ({
              json: () => ({ consumers: this.consumersOf(subject.slice(subject.lastIndexOf(".") + 1)) }),
            })),
      publish: (subject: string, data: Uint8Array) => this.publish(subject, data),
      flush: async () => {},
      subscribe: (subject: string, { callback }: { callback: Served["callback"] }) => this.serve(subject, callback),
    };
    this.bus = {
      js: this.js(),
      jsm: this.jsm(),
      patientJsm: this.jsm(),
      connection,
      clock,
      logger,
      onReconnect: () => quiet,
      close: async () => {},
    } as unknown as Bus;
  }

  /** Sends a question to all processes that serve the subject; the first answer counts. */
  private ask(subject: string, data: Uint8Array, timeoutMs: number): Promise<{ data: Uint8Array }> {
    const { time, random, serving } = this.network;
    return new Promise((resolve, reject) => {
      time.after(timeoutMs, () => reject(new TimeoutError()));
      time.after(random.between(0.2, 2), () => {
        if (random.chance(this.network.wordsLost)) return;
        for (const { connection, callback } of serving.get(subject) ?? []) {
          const { isDead, pausedUntil, cutUntil } = connection;
          if (isDead || Math.max(pausedUntil, cutUntil) > time.now) continue;
          const respond = (answer: Uint8Array) => {
            if (!connection.isDead) time.after(random.between(0.1, 1), () => resolve({ data: answer }));
          };
          callback(null, { subject, data, respond });
        }
      });
    });
  }

  /** Publishes messages, which arrive in order or not at all. */
  private publish(subject: string, data: Uint8Array): void {
    const { serving, coverage } = this.network;
    this.notify(
      () => {
        for (const { callback } of serving.get(subject) ?? []) callback(null, { subject, data, respond: () => {} });
      },
      () => coverage.count("casts lost"),
    );
  }

  /** Sends a message without an answer. It may be lost, and does not overtake earlier messages. */
  notify(receive: () => void, onLost: () => void): void {
    const { time, random, wordsLost } = this.network;
    if (this.isDead || this.network.strike(this)) return;
    const isCut = Math.max(this.cutUntil, this.pausedUntil) > time.now;
    if (isCut || random.chance(wordsLost)) return onLost();
    this.lastHeard = Math.max(this.lastHeard, time.now + random.between(0.1, 1));
    time.at(this.lastHeard, receive);
  }

  private serve(subject: string, callback: Served["callback"]): { unsubscribe(): void } {
    const served = { connection: this, callback };
    const all = getOrSet(this.network.serving, subject, () => new Set<Served>());
    all.add(served);
    return { unsubscribe: () => void all.delete(served) };
  }

  /** Makes a call of this process: `execute` runs on the server, once or never. */
  call<T>(execute: () => T, timeoutMs = 5_000, isAppend = false): Promise<T> {
    const { time, random, coverage } = this.network;
    if (this.isDead || this.network.strike(this)) return new Promise<T>(() => {});
    return new Promise<T>((resolve, reject) => {
      const sentAt = Math.max(time.now, this.pausedUntil);
      const { requestLost, answerLost, late, refusedWithoutCause } = this.fates;
      let executeAt = Math.max(this.lastExecution, sentAt + random.between(0.1, 2));
      const isCut = executeAt < this.cutUntil;
      const isLost = isCut ? random.chance(0.7) : random.chance(requestLost);
      if (!isLost && (isCut || random.chance(late))) executeAt = Math.max(executeAt, this.cutUntil) + timeoutMs;
      else this.lastExecution = executeAt;
      const timer = time.at(sentAt + timeoutMs, () => {
        if (!this.isDead) reject(new TimeoutError());
      });
      const answer = (result: Answer<T>) => {
        if (random.chance(answerLost) || executeAt < this.cutUntil) return;
        time.at(Math.max(time.now + random.between(0.1, 1), this.pausedUntil), () => {
          timer.run = undefined;
          if (this.isDead) return;
          if ("value" in result) resolve(result.value);
          else reject(result.error);
        });
      };
      if (isLost) return;
      time.aside(executeAt, () => {
        // Bytes that a dying process had written to its socket may still arrive.
        if (this.isDead && random.chance(0.5)) return;
        if (isAppend && random.chance(refusedWithoutCause)) {
          coverage.count("refusals 10071 without cause");
          return answer({ error: apiError(10071, "wrong last sequence") });
        }
        answer(attempt(execute));
      });
    });
  }

  private consumersOf(stream: string): string[] {
    return [...this.network.consumers.values()].filter((each) => each.stream.name === stream).map(({ name }) => name);
  }

  private stream(name: string): Stream {
    return this.network.streams.get(name)!;
  }

  private js() {
    const streamOf = (subject: string) => {
      const [, kind, partition] = subject.split(".");
      return this.stream(kind === "dead" ? "DEAD" : `${kind === "log" ? "LOG" : "IN"}_${partition}`);
    };
    return {
      publish: (subject: string, data: Uint8Array, options: PublishOptions = {}) => {
        const { headers, msgID, expect, timeout } = options;
        const copy = data.slice();
        const publish = () => streamOf(subject).publish(copy, headers as never, msgID, expect?.lastSequence);
        if (expect === undefined) return this.call(publish, timeout);
        const append = () => {
          if (epochOf(headers) < epochOf(lastHeaderOf(streamOf(subject)))) {
            this.network.coverage.count("stale appends refused");
          }
          return publish();
        };
        return this.call(append, timeout, true).catch((error: Error) => {
          this.isInDoubt = true;
          throw error;
        });
      },
      consumers: {
        get: async (stream: string, { opt_start_seq }: { opt_start_seq: number }) => ({
          consume: async () => this.consumeLog(this.stream(stream), opt_start_seq),
        }),
        getConsumerFromInfo: ({ stream_name: stream, name }: { stream_name: string; name: string }) => ({
          consume: async ({ max_messages }: { max_messages: number }) => this.consumeQueue(stream, name, max_messages),
        }),
      },
    };
  }

  private jsm() {
    const { consumers, time } = this.network;
    return {
      streams: {
        info: (name: string) =>
          this.call(() => {
            const { created, firstSeq, lastSeq, messages } = this.stream(name);
            const state = { first_seq: firstSeq, last_seq: lastSeq, bytes: 0, messages: messages.size };
            return { created, state, config: { max_bytes: -1 } };
          }),
        getMessage: (name: string, query: { seq?: number }) =>
          this.call(() => {
            const { messages, lastSeq } = this.stream(name);
            const found = messages.get(query.seq ?? lastSeq);
            if (this.isInDoubt && name.startsWith("LOG_")) this.countVerdict(found);
            return found === undefined ? null : { ...found, time: new Date(found.time) };
          }),
        purge: (name: string, { seq }: { seq: number }) => this.call(() => ({ purged: this.stream(name).purge(seq) })),
      },
      consumers: {
        add: (stream: string, { name }: { name: string }) =>
          this.call(() => {
            // A work queue has one consumer: a second one cannot be created beside it.
            const isAlone = this.consumersOf(stream).every((other) => other === name);
            if (!isAlone) throw apiError(10_099, "multiple non-filtered consumers not allowed on workqueue stream");
            consumers.set(keyOf(stream, name), new QueueConsumer(name, this.stream(stream), () => time.now));
            return { name, stream_name: stream };
          }),
        delete: (stream: string, name: string) =>
          this.call(() => {
            consumers.get(keyOf(stream, name))?.delete();
            consumers.delete(keyOf(stream, name));
          }),
      },
    };
  }

  private countVerdict(found: Stored | undefined): void {
    this.isInDoubt = false;
    const isOwn = found?.header?.get("Carillon-Log").split(" ")[1] === this.name;
    const verdict = found === undefined ? "no record" : isOwn ? "own record found" : "another's record";
    this.network.coverage.count(`ambiguous appends: ${verdict}`);
  }

  private consumeQueue(stream: string, name: string, most: number): Messages {
    const { consumers, coverage, random } = this.network;
    const consumer = consumers.get(keyOf(stream, name));
    const messages = new Messages();
    if (consumer === undefined) {
      messages.fail(new Error("consumer not found"));
      return messages;
    }
    let highest = consumer.first - 1;
    const handOut: HandOut = ({ seq, subject, data }, deliveries) => {
      if (this.isDead) return;
      if (deliveries > 1) coverage.count("redeliveries");
      if (this.network.time.now >= this.cutUntil && deliveries === 1) {
        if (seq > highest + 1) coverage.count("newer messages handed out first");
        highest = seq;
      }
      this.arrive(() =>
        messages.push({
          seq,
          subject,
          data,
          info: { deliveryCount: deliveries },
          ack: () => void this.call(() => consumer.ack(seq)).catch(() => {}),
          ackAck: async ({ timeout }: { timeout: number }) => {
            // A deleted consumer does not answer.
            if (random.chance(this.fates.answerLost)) coverage.count("double acks without answer");
            return this.call(() => {
              if (consumer.isDeleted) throw new TimeoutError();
              return consumer.ack(seq);
            }, timeout);
          },
        }),
      );
    };
    consumer.handOut = handOut;
    const pump = () => {
      if (!consumer.isDeleted) consumer.pump(most);
      // When the first message is lost, the missing heartbeats of the consumer show the same.
      else this.arrive(() => messages.fail(new Error("consumer deleted")));
    };
    consumer.onDeleted = pump;
    this.follow(this.stream(stream), () => !messages.isStopped, pump);
    return messages;
  }

  private consumeLog(log: Stream, from: number): Messages {
    const messages = new Messages();
    let next = Math.max(from, log.firstSeq);
    const pump = () => {
      // An ordered consumer sees a gap, and continues from its place.
      if (this.network.time.now < this.cutUntil) return;
      for (let stored = log.messages.get(next); stored !== undefined; stored = log.messages.get(++next)) {
        const record = stored;
        this.arrive(() => messages.push(logMessage(record)));
      }
    };
    this.follow(log, () => !messages.isStopped, pump);
    return messages;
  }

  /** Delivers a message of the server to the process, in order. */
  private arrivals = 0;
  private arrive(run: () => void): void {
    const { time, random } = this.network;
    if (time.now < this.cutUntil) return;
    this.arrivals = Math.max(this.arrivals, time.now + random.between(0.1, 1), this.pausedUntil);
    time.at(this.arrivals, () => {
      if (!this.isDead) run();
    });
  }

  /** Runs `act` now, whenever the stream grows, and at intervals, as long as the condition holds. */
  private follow(stream: Stream, condition: () => boolean, run: () => void): void {
    const listener = () => {
      if (condition() && !this.isDead) run();
      else stream.listeners.delete(listener);
    };
    stream.listeners.add(listener);
    const again = () => {
      listener();
      if (stream.listeners.has(listener)) this.network.time.after(PUMP_MS, again);
    };
    again();
  }
}

interface PublishOptions {
  headers?: unknown;
  msgID?: string;
  expect?: { lastSequence: number };
  timeout?: number;
}

/** Owners of two partitions may have consumers of the same name. */
const keyOf = (stream: string, consumer: string) => `${stream} ${consumer}`;

function epochOf(headers: unknown): number {
  // The epoch stands first; the rest of the name is not read.
  return Number.parseInt((headers as MsgHdrs | undefined)?.get("Carillon-Log") ?? "0", 10);
}

function lastHeaderOf(log: Stream): MsgHdrs | undefined {
  return log.messages.get(log.lastSeq)?.header;
}

function attempt<T>(execute: () => T): Answer<T> {
  try {
    return { value: execute() };
  } catch (error) {
    return { error: error as Error };
  }
}

function logMessage({ seq, subject, data, header, time }: Stored) {
  return { seq, subject, data, headers: header, info: { timestampNanos: time * 1_000_000 } };
}

/** The messages of a consumer, as its reader gets them. */
class Messages implements AsyncIterable<unknown> {
  private waiting: unknown[] = [];
  private error: Error | undefined;
  private wake: () => void = () => {};
  isStopped = false;

  push(message: unknown): void {
    this.waiting.push(message);
    this.wake();
  }

  fail(error: Error): void {
    this.error = error;
    this.isStopped = true;
    this.wake();
  }

  stop(): void {
    this.isStopped = true;
    this.wake();
  }

  getReceived(): number {
    return 0;
  }

  /** Ends at once: the reader watches for a silent server, and a simulated server is never silent. */
  async *status() {}

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return { next: () => this.next() };
  }

  private async next(): Promise<IteratorResult<unknown>> {
    for (;;) {
      if (this.waiting.length > 0 && !this.isStopped) return { value: this.waiting.shift(), done: false };
      if (this.error !== undefined) throw this.error;
      if (this.isStopped) return { value: undefined, done: true };
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}
