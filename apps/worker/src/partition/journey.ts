/**
 * The steps of a request through the worker, from the queue of a partition to inboxes and gateways. docs/journey.md describes
 * them under the same numbers.
 */
import { failPoint } from "@carillon/base/node";
import {
  type LogBody,
  LogFull,
  type LogWriter,
  type OriginatedRequest,
  PartitionLost,
  putAside,
  type QueuedBatch,
  RequestConsumer,
} from "@carillon/bus";
import { busy, CarillonError, groupIdOf, orBusy } from "@carillon/protocol";
import { answersByGateway, sendAnswers } from "../answers/answers";
import { decideChanges, decideRound, originOf, type Round, type Verdict } from "../decide/decision";
import type { FanOut } from "../fan-out/fan-out";
import type { GroupCache } from "../lookups/group-cache";
import { RoundFacts } from "../lookups/round-facts";
import type { WorkerPorts } from "../ports";
import { HEAD_MS, INLINE_MS, MOST_FACT_AGE_MS, STOPPING } from "../timings";
import { type ChangedGroup, ChangedGroups } from "./changed-groups";
import { type ParkedRequest, ParkedRequests } from "./parked-requests";
import { isDead } from "./poison";
import { type PulledBatch, RoundBuffer } from "./round-buffer";
import { type FoldedEvent, foldAppended, type PartitionState } from "./state";

export interface JourneyOptions
  extends Pick<WorkerPorts, "bus" | "boot" | "policy" | "facts" | "downlink" | "onVerdicts"> {
  groups: GroupCache;
  state: PartitionState;
  writer: LogWriter;
  fanOut: FanOut;
  /** Another worker owns the partition now. */
  onLost(): void;
}

export class PartitionJourney {
  private readonly buffer = new RoundBuffer<RoundFacts>();
  private readonly parked: ParkedRequests<RoundFacts>;
  private readonly changed: ChangedGroups<RoundFacts>;
  private readonly consumer: RequestConsumer;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(private readonly options: JourneyOptions) {
    const { bus, state, writer, facts, groups, onLost } = options;
    const wake = () => this.buffer.release();
    this.parked = new ParkedRequests(() => bus.clock.monotonic(), wake);
    this.changed = new ChangedGroups((groupId) => facts.prepareGroup(state, groups, groupId), wake);
    this.consumer = new RequestConsumer({
      bus,
      partition: state.partition,
      ownerEpoch: state.ownerEpoch,
      streamLife: writer.streamLife,
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

  /**
   * As `stop`, before the partition is handed over. The next owner finds the queue, but requests that were put aside exist in
   * this worker only: it decides them if their answers come soon.
   */
  async finish(): Promise<void> {
    await this.consumer.stop();
    this.buffer.clear();
    await this.parked.emptied(STOPPING.parkedMs);
    await this.stop();
  }

  /** Takes no more requests and finishes the round in work. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.buffer.release();
    await this.consumer.stop();
    await this.running;
    for (const { reject } of this.changed.close()) reject(busy());
    const parked = this.parked.takeAll();
    if (parked.length > 0) this.acknowledge(parked.map(refuseForNow));
  }

  /**
   * A group has changed in MySQL: its conversation is told before anything else is taken from the queue.
   * @throws CarillonError BUSY when that has to wait; it happens all the same with the next message, or when asked again
   */
  async recordChanges(groupId: string): Promise<void> {
    if (this.stopped) throw busy();
    await orBusy(this.changed.record(groupId));
  }

  /** Requests that wait for an answer of MySQL. */
  get parkedCount(): number {
    return this.parked.count;
  }

  /** Step 4, consume: a batch in stream order. Its questions to MySQL are asked while the round before is appended. */
  private pull(batch: QueuedBatch): void {
    const { bus, state, facts, groups } = this.options;
    failPoint("consume.before");
    try {
      this.buffer.add(batch, (requests) => facts.prepare(state, groups, requests));
    } catch (err) {
      bus.logger.error({ partition: state.partition, seq: batch.seq, err }, "a batch cannot be read, it is put aside");
      const reason = (err as Error).message;
      void putAside(bus, { partition: state.partition, data: batch.data, reason, id: `${batch.seq}` })
        .then(() => batch.confirm())
        .catch(() => this.consumer.restart());
    }
    failPoint("consume.after");
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      if (!this.changed.hasReady && !this.parked.hasReady) await this.buffer.ready();
      if (this.stopped) return;
      try {
        await this.options.fanOut.room();
        if (this.stopped) return;
        if (this.changed.hasReady) await this.appendChanges(this.changed.takeReady());
        await this.runRound();
      } catch (error) {
        if (!(error instanceof PartitionLost)) {
          this.options.bus.logger.error({ err: error }, "a round failed, the partition is given up");
        }
        this.stopped = true;
        this.options.onLost();
      }
    }
  }

  private async runRound(): Promise<void> {
    const { covered, poison } = this.options.state;
    const isSingleStep = covered < poison.singleStepUntil;
    const isSingleBatch = isSingleStep || covered < poison.singleBatchUntil;
    const batches = this.takeUncovered(isSingleBatch ? 1 : undefined);
    const parked = this.parked.takeReady();
    if (batches.length === 0 && parked.length === 0) return;
    if (!isSingleStep) return this.processRound(parked, batches, !isSingleBatch);
    if (parked.length > 0) await this.processRound(parked, [], false);
    if (batches.length > 0) await this.processSingly(batches[0]!);
  }

  /**
   * The next round. A consumer that was recreated during an append delivers the batches of that append once more: the log
   * covers them now, and their senders were answered.
   */
  private takeUncovered(most: number | undefined): PulledBatch<RoundFacts>[] {
    const { covered } = this.options.state;
    const batches = this.buffer.takeRound(most);
    for (const { queued } of batches) if (queued.seq <= covered) void queued.confirm();
    return batches.filter(({ queued }) => queued.seq > covered);
  }

  private async appendChanges(changes: ChangedGroup<RoundFacts>[]): Promise<void> {
    try {
      await this.appendChangesOf(changes);
      for (const { resolve } of changes) resolve();
    } catch (error) {
      for (const { reject } of changes) reject(busy({ cause: error }));
      if (!(error instanceof LogFull || error instanceof CarillonError)) throw error;
    }
  }

  /** In as many records as it takes. */
  private async appendChangesOf(changes: ChangedGroup<RoundFacts>[]): Promise<void> {
    const { state, groups, fanOut, policy, bus } = this.options;
    const known = RoundFacts.merge(changes.map(({ facts }) => facts));
    const wanted = [...new Set(changes.map(({ groupId }) => groupId))].flatMap((groupId) => groups.get(groupId) ?? []);
    for (;;) {
      const round = decideChanges(state, wanted, known, policy, bus.clock.now());
      if (round === undefined) throw busy();
      if (round.events.length === 0) return;
      const seq = await this.append({ kind: "events", events: round.events }, state.covered, round.accepted);
      fanOut.add(seq, round.events);
    }
  }

  /** @param mayPark whether what cannot be decided yet may be put aside */
  private async processRound(
    parked: ParkedRequest<RoundFacts>[],
    batches: PulledBatch<RoundFacts>[],
    mayPark: boolean,
  ): Promise<void> {
    for (const batch of batches) this.renewFacts(batch);
    await Promise.all(batches.map(({ facts }) => facts.settle(mayPark ? HEAD_MS : INLINE_MS)));
    const requests = [...parked.map(({ request }) => request), ...batches.flatMap((batch) => batch.requests)];
    const facts = RoundFacts.merge([
      ...new Set(parked.map((each) => each.facts)),
      ...batches.map((each) => each.facts),
    ]);
    const putAside = (request: OriginatedRequest) => this.putAside(request, parked, batches);
    const behind = requests.filter((request) => this.parked.holds(request));
    const next = behind.length === 0 ? requests : requests.filter((request) => !behind.includes(request));
    await this.process(next, facts, {
      covered: batches.at(-1)?.queued.seq ?? this.options.state.covered,
      batches,
      isLast: true,
      untold: behind.filter((request) => !putAside(request)).map(refuseForNow),
      putAside: mayPark ? putAside : undefined,
    });
  }

  /**
   * Lets a request wait that cannot be decided yet. If its facts were forgotten since they were loaded, because they changed,
   * they are loaded once more.
   * @returns false when waiting does not help
   */
  private putAside(
    request: OriginatedRequest,
    parked: ParkedRequest<RoundFacts>[],
    batches: PulledBatch<RoundFacts>[],
  ): boolean {
    const before = parked.find((each) => each.request === request);
    if (before !== undefined) return this.parked.park(request, before.facts, before.until);
    const { facts } = batches.find((batch) => batch.requests.includes(request))!;
    if (this.parked.park(request, facts)) return true;
    const { state, groups, facts: cache } = this.options;
    return this.parked.park(request, cache.prepare(state, groups, [request]));
  }

  /** A batch may have waited for long, because NATS was away. */
  private renewFacts(batch: PulledBatch<RoundFacts>): void {
    const { bus, state, facts, groups } = this.options;
    if (batch.facts.askedAt > bus.clock.monotonic() - MOST_FACT_AGE_MS) return;
    batch.facts = facts.prepare(state, groups, batch.requests);
  }

  /**
   * One request at a time, named in the log before it is touched: if the worker dies now, the next owner knows the cause.
   * Senders hear of refusals when the whole batch is done: until then the next owner may decide the batch again, differently.
   */
  private async processSingly(batch: PulledBatch<RoundFacts>): Promise<void> {
    const { queued, requests } = batch;
    const { state } = this.options;
    let untold: Verdict[] = [];
    for (const [index, request] of requests.entries()) {
      this.renewFacts(batch);
      await batch.facts.settle(INLINE_MS);
      const isLast = index === requests.length - 1;
      const [covered, done] = isLast ? [queued.seq, [batch]] : [state.covered, []];
      const isNamed = this.isDead(request) || (await this.nameInLog(queued.seq, index));
      const part: RoundPart = { covered, batches: done, isLast, untold };
      if (isNamed) untold = await this.process([request], batch.facts, part);
      else untold = await this.answerWithoutRecord(part, [{ origin: originOf(request), ...LOG_IS_FULL }]);
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

  /** @returns verdicts that cannot be told yet */
  private async process(requests: OriginatedRequest[], facts: RoundFacts, part: RoundPart): Promise<Verdict[]> {
    const { covered, batches, isLast, untold } = part;
    const round = this.decide(requests, facts);
    const verdicts = putUndecidedAside(round, part.putAside);
    if (round.events.length === 0) return this.answerWithoutRecord(part, verdicts);
    let recordSeq: number;
    try {
      recordSeq = await this.append({ kind: "events", events: round.events }, covered, round.accepted);
    } catch (error) {
      if (!(error instanceof LogFull)) throw error;
      return this.answerWithoutRecord(part, verdicts.map(takeBack));
    }
    for (const { queued } of batches) void queued.confirm();
    this.acknowledge(isLast ? [...untold, ...verdicts] : verdicts);
    this.options.fanOut.add(recordSeq, round.events);
    return isLast ? [] : untold;
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
    const header = { ownerEpoch: state.ownerEpoch, boot, append: 0, ...progress, streamLife: writer.streamLife };
    foldAppended(state, { seq, storedAt: bus.clock.now(), header, body }, accepted);
    for (const { conversationId, version } of accepted)
      if (version !== undefined) groups.settle(groupIdOf(conversationId)!);
    return seq;
  }

  /** Step 9, acknowledge: needs the log and nothing else. */
  private acknowledge(verdicts: Verdict[]): void {
    failPoint("acknowledge.before");
    sendAnswers(this.options.downlink, answersByGateway(verdicts));
    this.options.onVerdicts(verdicts);
    failPoint("acknowledge.after");
  }

  /**
   * Nothing new goes into the log. A worker that lost the partition without knowing it must not say no; only the
   * owner can have its queue messages confirmed, since a new owner deletes the consumer first.
   * A request that was put aside is in the hands of this worker alone once its batch is covered or confirmed: then it needs
   * no confirmation of its own.
   * @returns verdicts that cannot be told yet, because their batch is not done
   */
  private async answerWithoutRecord({ batches, covered, isLast, untold }: RoundPart, verdicts: Verdict[]) {
    if (!isLast) return [...untold, ...verdicts];
    const confirmed = await Promise.all(batches.map(({ queued }) => queued.confirm()));
    if (confirmed.every(Boolean)) {
      this.options.state.covered = covered;
      this.acknowledge([...untold, ...verdicts]);
    } else {
      // Perhaps another owner has them by now, and decides otherwise.
      this.parked.drop(batches.flatMap(({ requests }) => requests));
      this.consumer.restart();
    }
    return [];
  }
}

/** The part of the queue that a round covers, and how the round treats it. */
interface RoundPart {
  covered: number;
  /** Batches that are done when the requests are. */
  batches: PulledBatch<RoundFacts>[];
  /** Whether nothing of these batches is left to be decided. */
  isLast: boolean;
  /** Verdicts of before that are to be told with the batches. */
  untold: Verdict[];
  /** Lets a request wait that cannot be decided yet; false: it is refused for now. Absent: nothing may wait. */
  putAside?: ((request: OriginatedRequest) => boolean) | undefined;
}

/** @returns the verdicts that are to be told */
function putUndecidedAside({ verdicts, undecided }: Round, putAside: RoundPart["putAside"]): Verdict[] {
  if (undecided.size === 0 || putAside === undefined) return verdicts;
  const waiting = new Set<Verdict>();
  for (const [request, verdict] of undecided) if (putAside(request)) waiting.add(verdict);
  return verdicts.filter((verdict) => !waiting.has(verdict));
}

/** It was not decided, so its sender may send it again at any time. */
function refuseForNow(request: OriginatedRequest): Verdict {
  return { origin: originOf(request), outcome: { error: busy() }, isTentative: false };
}

const LOG_IS_FULL = {
  outcome: { error: busy({ retryAfterMs: 5_000 }) },
  isTentative: false,
};

/** Its sender should not try again: it would be refused again. */
function refuseDead(request: OriginatedRequest): Verdict {
  const error = new CarillonError("INTERNAL", "this message could not be processed and was put aside");
  return { origin: originOf(request), outcome: { error }, isTentative: false };
}

/** The round was not appended: its messages were not accepted. */
function takeBack(verdict: Verdict): Verdict {
  return verdict.isTentative ? { ...verdict, ...LOG_IS_FULL } : verdict;
}
