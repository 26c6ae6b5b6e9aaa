/**
 * The way of a request through the worker, from the queue of a partition to inboxes and gateways, step by step.
 * docs/journey.md tells it in words; the numbers of the steps are the same.
 */
import { failPoint } from "@carillon/base/node";
import {
  type Answer,
  type Bus,
  LogFull,
  type LogWriter,
  type OriginatedRequest,
  PartitionLost,
  type QueuedBatch,
  RequestConsumer,
} from "@carillon/bus";
import { CarillonError } from "@carillon/protocol";
import { answersByGateway } from "./acknowledge/acknowledge";
import type { Policy } from "./authorize/authorize";
import { type PulledBatch, RoundBuffer } from "./consume/round-buffer";
import { decideRound, type Round, type Verdict } from "./decision";
import type { FanOut } from "./fan-out/fan-out";
import { type FactCache, RoundFacts } from "./lookups/fact-cache";
import { foldEvents, type PartitionState } from "./partition-state";

export interface JourneyOptions {
  bus: Bus;
  boot: string;
  policy: Policy;
  facts: FactCache;
  state: PartitionState;
  writer: LogWriter;
  fanOut: FanOut;
  answer(gateway: string, boot: string, answers: Answer[]): void;
  /** A request that cannot be processed: put aside, with the reason. */
  putAside(partition: number, data: Uint8Array, reason: string): Promise<void>;
  /** Another worker owns the partition now. */
  onLost(): void;
}

export class PartitionJourney {
  private readonly buffer = new RoundBuffer<RoundFacts>();
  private readonly consumer: RequestConsumer;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(private readonly options: JourneyOptions) {
    const { bus, state } = options;
    this.consumer = new RequestConsumer({
      bus,
      partition: state.partition,
      epoch: state.epoch,
      covered: () => state.covered,
      onBatch: (batch) => this.pull(batch),
      onRestart: () => this.buffer.clear(),
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
  }

  /** Step 4, consume: a batch in stream order. What it needs from MySQL is asked while the round before is appended. */
  private pull(batch: QueuedBatch): void {
    const { bus, state, facts, putAside } = this.options;
    failPoint("consume.before");
    try {
      this.buffer.add(batch, (requests) => facts.prepare(state, requests));
    } catch (err) {
      bus.logger.error({ partition: state.partition, seq: batch.seq, err }, "a batch cannot be read, it is put aside");
      void putAside(state.partition, batch.data, (err as Error).message)
        .then(() => batch.confirm())
        .catch(() => this.consumer.restart());
    }
    failPoint("consume.after");
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      await this.buffer.ready();
      const batches = this.buffer.takeRound();
      if (batches.length === 0 || this.stopped) continue;
      try {
        await this.processRound(batches);
      } catch (error) {
        if (!(error instanceof PartitionLost)) {
          this.options.bus.logger.error({ err: error }, "a round failed, the partition is given up");
        }
        this.stopped = true;
        this.options.onLost();
      }
    }
  }

  private async processRound(batches: PulledBatch<RoundFacts>[]): Promise<void> {
    const requests = batches.flatMap((batch) => batch.requests);
    const facts = RoundFacts.merge(await Promise.all(batches.map((batch) => batch.facts)));
    const round = this.decide(requests, facts);
    const covered = batches.at(-1)!.queued.seq;
    if (round.events.length === 0) {
      await this.answerWithoutRecord(batches, covered, round.verdicts);
      return;
    }
    let recordSeq: number;
    try {
      recordSeq = await this.append(round, covered);
    } catch (error) {
      if (!(error instanceof LogFull)) throw error;
      await this.answerWithoutRecord(batches, covered, round.verdicts.map(refuseAccepted));
      return;
    }
    for (const { queued } of batches) void queued.confirm();
    this.acknowledge(round.verdicts);
    this.options.fanOut.add(recordSeq, round.events);
  }

  /** Steps 5 to 7, dedupe, authorize, sequence: pure, the state is only read. */
  private decide(requests: OriginatedRequest[], facts: RoundFacts): Round {
    const { state, policy, bus } = this.options;
    failPoint("decide.before", () => requests.map(({ content }) => content).join("\n"));
    const round = decideRound(state, requests, facts, policy, bus.clock.now());
    failPoint("decide.after");
    return round;
  }

  /** Step 8, append: when it returns the messages exist, and the state knows them. */
  private async append({ events, accepted }: Round, covered: number): Promise<number> {
    const { state, writer, fanOut, bus, boot } = this.options;
    const progress = { covered, fanout: fanOut.position };
    failPoint("append.before");
    const seq = await writer.append({ kind: "events", events }, progress);
    failPoint("append.after");
    const header = { epoch: state.epoch, boot, append: 0, ...progress };
    foldEvents(state, { seq, storedAt: bus.clock.now(), header }, accepted);
    return seq;
  }

  /** Step 9, acknowledge: needs the log and nothing else. */
  private acknowledge(verdicts: Verdict[]): void {
    failPoint("acknowledge.before");
    for (const { gateway, boot, answers } of answersByGateway(verdicts)) this.options.answer(gateway, boot, answers);
    failPoint("acknowledge.after");
  }

  /**
   * Nothing new goes into the log. A worker that lost the partition without knowing it must not say no; only the
   * owner can have its queue messages confirmed, since a new owner deletes the consumer first.
   */
  private async answerWithoutRecord(batches: PulledBatch<RoundFacts>[], covered: number, verdicts: Verdict[]) {
    const confirmed = await Promise.all(batches.map(({ queued }) => queued.confirm()));
    if (!confirmed.every(Boolean)) {
      this.consumer.restart();
      return;
    }
    this.options.state.covered = covered;
    this.acknowledge(verdicts);
  }
}

function refuseAccepted(verdict: Verdict): Verdict {
  const accepted = "sent" in verdict.outcome && verdict.outcome.sent.duplicate !== true;
  const error = new CarillonError("BUSY", undefined, { retryAfterMs: 5_000 });
  return accepted ? { ...verdict, outcome: { error } } : verdict;
}
