/**
 * The way of a request through the worker, from the queue of a partition to inboxes and gateways, step by step.
 * docs/journey.md tells it in words; the numbers of the steps are the same.
 */
import { getOrSet } from "@carillon/base";
import { failPoint } from "@carillon/base/node";
import {
  type Bus,
  type DeadLetter,
  type LogBody,
  LogFull,
  type LogWriter,
  type OriginatedRequest,
  PartitionLost,
  type QueuedBatch,
  RequestConsumer,
} from "@carillon/bus";
import { CarillonError, groupIdOf } from "@carillon/protocol";
import { answersByGateway, type GatewayAnswers } from "./acknowledge/acknowledge";
import type { Policy } from "./authorize/authorize";
import { busy, orBusy } from "./busy";
import { type PulledBatch, RoundBuffer } from "./consume/round-buffer";
import { decideChanges, decideRound, originOf, type Round, type Verdict } from "./decision";
import type { FanOut } from "./fan-out/fan-out";
import type { GroupCache } from "./groups/group-cache";
import { type FactCache, RoundFacts } from "./lookups/fact-cache";
import { type FoldedEvent, foldAppended, type PartitionState } from "./partition-state";
import { isDead } from "./poison";

export interface JourneyOptions {
  bus: Bus;
  boot: string;
  policy: Policy;
  facts: FactCache;
  groups: GroupCache;
  state: PartitionState;
  writer: LogWriter;
  fanOut: FanOut;
  answer(answers: GatewayAnswers): void;
  /** A batch that cannot be read: put aside, with the reason. */
  putAside(letter: DeadLetter): Promise<void>;
  /** Another worker owns the partition now. */
  onLost(): void;
}

export class PartitionJourney {
  private readonly buffer = new RoundBuffer<RoundFacts>();
  /** Groups that have changed, with those who wait until the conversation knows it. */
  private readonly changed = new Map<string, Settle[]>();
  private readonly consumer: RequestConsumer;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(private readonly options: JourneyOptions) {
    const { bus, state, writer, onLost } = options;
    this.consumer = new RequestConsumer({
      bus,
      partition: state.partition,
      epoch: state.epoch,
      life: writer.life,
      covered: () => state.covered,
      onBatch: (batch) => this.pull(batch),
      onRestart: () => this.buffer.clear(),
      onLost: () => {
        this.stopped = true;
        onLost();
      },
    });
  }

  async start(): Promise<void> {
    await this.consumer.start();
    this.running = this.run();
  }

  /** Takes no more requests and finishes the round in work. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.buffer.release();
    await this.consumer.stop();
    await this.running;
    for (const waiting of this.changed.values()) for (const { reject } of waiting) reject(busy());
  }

  /**
   * A group has changed in MySQL: its conversation is told before anything else is taken from the queue.
   * @throws CarillonError BUSY when that has to wait; it happens all the same with the next message, or when asked again
   */
  tellChanges(groupId: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.stopped) return reject(busy());
      getOrSet(this.changed, groupId, () => []).push({ resolve, reject });
      this.buffer.release();
    });
  }

  /** Step 4, consume: a batch in stream order. What it needs from MySQL is asked while the round before is appended. */
  private pull(batch: QueuedBatch): void {
    const { bus, state, facts, groups, putAside } = this.options;
    failPoint("consume.before");
    try {
      this.buffer.add(batch, (requests) => facts.prepare(state, groups, requests));
    } catch (err) {
      bus.logger.error({ partition: state.partition, seq: batch.seq, err }, "a batch cannot be read, it is put aside");
      const reason = (err as Error).message;
      void putAside({ partition: state.partition, data: batch.data, reason, id: `${batch.seq}` })
        .then(() => batch.confirm())
        .catch(() => this.consumer.restart());
    }
    failPoint("consume.after");
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      if (this.changed.size === 0) await this.buffer.ready();
      const { covered, poison } = this.options.state;
      const careful = covered < poison.carefulUntil;
      const batches = this.takeUncovered(careful || covered < poison.narrowUntil ? 1 : undefined);
      if (this.stopped) return;
      try {
        if (this.changed.size > 0) await this.appendChanges();
        if (batches.length === 0) continue;
        if (careful) await this.processCarefully(batches[0]!);
        else await this.processRound(batches);
      } catch (error) {
        if (!(error instanceof PartitionLost)) {
          this.options.bus.logger.error({ err: error }, "a round failed, the partition is given up");
        }
        this.stopped = true;
        this.options.onLost();
      }
    }
  }

  /**
   * The next round. A consumer that was made anew during an append hands out what that append is about once more: it is
   * covered now, and was answered.
   */
  private takeUncovered(most: number | undefined): PulledBatch<RoundFacts>[] {
    const { covered } = this.options.state;
    const batches = this.buffer.takeRound(most);
    for (const { queued } of batches) if (queued.seq <= covered) void queued.confirm();
    return batches.filter(({ queued }) => queued.seq > covered);
  }

  private async appendChanges(): Promise<void> {
    const waiting = [...this.changed.values()].flat();
    const groupIds = [...this.changed.keys()];
    this.changed.clear();
    try {
      await this.appendChangesOf(groupIds);
      for (const { resolve } of waiting) resolve();
    } catch (error) {
      for (const { reject } of waiting) reject(busy(error));
      if (!(error instanceof LogFull || error instanceof CarillonError)) throw error;
    }
  }

  private async appendChangesOf(groupIds: string[]): Promise<void> {
    const { state, facts, groups, fanOut, policy, bus } = this.options;
    const known = await orBusy(facts.prepareGroups(state, groups, groupIds));
    const wanted = groupIds.flatMap((groupId) => groups.get(groupId) ?? []);
    const round = decideChanges(state, wanted, known, policy, bus.clock.now());
    if (round === undefined) throw busy();
    if (round.events.length === 0) return;
    const seq = await this.append({ kind: "events", events: round.events }, state.covered, round.accepted);
    fanOut.add(seq, round.events);
  }

  private async processRound(batches: PulledBatch<RoundFacts>[]): Promise<void> {
    const requests = batches.flatMap((batch) => batch.requests);
    const facts = RoundFacts.merge(await Promise.all(batches.map((batch) => batch.facts)));
    await this.process(requests, facts, batches.at(-1)!.queued.seq, batches);
  }

  /**
   * One request at a time, named in the log before it is touched: if the worker dies now, the next owner knows why.
   * Refusals are told when the whole batch is done: until then the next owner may decide about it again, and otherwise.
   */
  private async processCarefully(batch: PulledBatch<RoundFacts>): Promise<void> {
    const { queued, requests } = batch;
    const { state } = this.options;
    const facts = await batch.facts;
    let untold: Verdict[] = [];
    for (const [index, request] of requests.entries()) {
      const isLast = index === requests.length - 1;
      const [covered, done] = isLast ? [queued.seq, [batch]] : [state.covered, []];
      const isNamed = this.isDead(request) || (await this.nameInLog(queued.seq, index));
      if (isNamed) untold = await this.process([request], facts, covered, done, untold);
      else {
        const full = { origin: originOf(request), ...LOG_IS_FULL };
        untold = await this.answerWithoutRecord(done, covered, [...untold, full]);
      }
    }
  }

  /** @returns false when the log is full */
  private async nameInLog(seq: number, index: number): Promise<boolean> {
    try {
      await this.append({ kind: "trying", seq, index }, this.options.state.covered);
      return true;
    } catch (error) {
      if (error instanceof LogFull) return false;
      throw error;
    }
  }

  /**
   * @param batches those that are done when these requests are
   * @param untold verdicts of before that are to be told with the batch
   * @returns verdicts that cannot be told yet
   */
  private async process(
    requests: OriginatedRequest[],
    facts: RoundFacts,
    covered: number,
    batches: PulledBatch<RoundFacts>[],
    untold: Verdict[] = [],
  ): Promise<Verdict[]> {
    const round = this.decide(requests, facts);
    if (round.events.length === 0) return this.answerWithoutRecord(batches, covered, [...untold, ...round.verdicts]);
    let recordSeq: number;
    try {
      recordSeq = await this.append({ kind: "events", events: round.events }, covered, round.accepted);
    } catch (error) {
      if (!(error instanceof LogFull)) throw error;
      return this.answerWithoutRecord(batches, covered, [...untold, ...round.verdicts.map(takeBack)]);
    }
    for (const { queued } of batches) void queued.confirm();
    const isDone = batches.length > 0;
    this.acknowledge(isDone ? [...untold, ...round.verdicts] : round.verdicts);
    this.options.fanOut.add(recordSeq, round.events);
    return isDone ? [] : untold;
  }

  /** Steps 5 to 7, dedupe, authorize, sequence: pure, the state is only read. */
  private decide(requests: OriginatedRequest[], facts: RoundFacts): Round {
    const { state, policy, bus } = this.options;
    const alive = requests.filter((request) => !this.isDead(request));
    failPoint("decide.before", () => alive.map(({ content }) => content).join("\n"));
    const round = decideRound(state, alive, facts, policy, bus.clock.now());
    failPoint("decide.after");
    if (alive.length === requests.length) return round;
    const dead = requests.filter((request) => this.isDead(request)).map(refuseDead);
    return { ...round, verdicts: [...round.verdicts, ...dead] };
  }

  /** Whether the request was put aside. A repeat of what was stored before is answered as any other. */
  private isDead(request: OriginatedRequest): boolean {
    const { poison, dedupe } = this.options.state;
    const { senderId, conversationId, clientMsgId } = request;
    return isDead(poison, request) && dedupe.find(senderId, conversationId, clientMsgId) === undefined;
  }

  /** Step 8, append: when it returns the record is in the log, and the state knows it. */
  private async append(body: LogBody, covered: number, accepted: FoldedEvent[] = []): Promise<number> {
    const { state, writer, fanOut, groups, bus, boot } = this.options;
    const progress = { covered, fanout: fanOut.position };
    failPoint("append.before");
    const seq = await writer.append(body, progress);
    failPoint("append.after");
    const header = { epoch: state.epoch, boot, append: 0, ...progress, life: writer.life };
    foldAppended(state, { seq, storedAt: bus.clock.now(), header, body }, accepted);
    for (const { conversationId, version } of accepted)
      if (version !== undefined) groups.settle(groupIdOf(conversationId)!);
    return seq;
  }

  /** Step 9, acknowledge: needs the log and nothing else. */
  private acknowledge(verdicts: Verdict[]): void {
    failPoint("acknowledge.before");
    for (const answers of answersByGateway(verdicts)) this.options.answer(answers);
    failPoint("acknowledge.after");
  }

  /**
   * Nothing new goes into the log. A worker that lost the partition without knowing it must not say no; only the
   * owner can have its queue messages confirmed, since a new owner deletes the consumer first.
   * @returns verdicts that cannot be told yet, because their batch is not done
   */
  private async answerWithoutRecord(
    batches: PulledBatch<RoundFacts>[],
    covered: number,
    verdicts: Verdict[],
  ): Promise<Verdict[]> {
    if (batches.length === 0) return verdicts;
    const confirmed = await Promise.all(batches.map(({ queued }) => queued.confirm()));
    if (confirmed.every(Boolean)) {
      this.options.state.covered = covered;
      this.acknowledge(verdicts);
    } else this.consumer.restart();
    return [];
  }
}

interface Settle {
  resolve(): void;
  reject(error: Error): void;
}

const LOG_IS_FULL = {
  outcome: { error: new CarillonError("BUSY", undefined, { retryAfterMs: 5_000 }) },
  isTentative: false,
};

/** Its sender should not try again: it would be refused again. */
function refuseDead(request: OriginatedRequest): Verdict {
  const error = new CarillonError("INTERNAL", "this message could not be processed and was put aside");
  return { origin: originOf(request), outcome: { error }, isTentative: false };
}

/** The round was not appended: what was said about its messages is not so. */
function takeBack(verdict: Verdict): Verdict {
  return verdict.isTentative ? { ...verdict, ...LOG_IS_FULL } : verdict;
}
