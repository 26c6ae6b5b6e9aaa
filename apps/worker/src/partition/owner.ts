/** A partition in this worker's hands: take-over, then the journey, until it is released or lost. */
import { Admission, guarded } from "@carillon/base";
import {
  type LogWriter,
  type OwnerHandlers,
  type OwnerState,
  PartitionLost,
  putAsideRequest,
  putDeliveryAside,
  readLog,
  readLogState,
  serveOwner,
  TIMINGS,
} from "@carillon/bus";
import { answersAgain, sendAnswers } from "../answers/answers";
import { FanOut, type LogOfPartition, type RefusedDelivery } from "../fan-out/fan-out";
import { GroupCache } from "../lookups/group-cache";
import type { WorkerPorts } from "../ports";
import { ACCEPTED_IDS_MS, NUMBERS_MS, STOPPING } from "../timings";
import { ArchiveHistory } from "./archive-history";
import { PartitionJourney } from "./journey";
import { OwnerAnswers } from "./owner-answers";
import type { OwnedPartition } from "./ownership";
import { whyPutAside } from "./poison";
import { type PartitionState, pruneState } from "./state";
import { foldEarly, type TakeOverOptions, takeOver } from "./take-over";

const HOUSEKEEPING_MS = 5_000;
/** Conversations whose people a new owner asks for in advance. */
const MOST_WARM = 10_000;

/** Questions about the conversations of a partition at once; a gateway waits 3 s for an answer. */
const QUESTIONS = { atOnce: 32, waiting: 96, patienceMs: TIMINGS.openSessionMs };

/** The context that all partitions of a worker share. */
export interface OwnerContext extends Omit<WorkerPorts, "placement" | "partitions"> {
  /** The successor of a partition asks for it. */
  handOver(partition: number): void;
}

export class PartitionOwner implements OwnedPartition {
  private readonly stops: (() => void)[] = [];
  private readonly archive = new ArchiveHistory(NUMBERS_MS);
  private readonly admission: Admission;

  private constructor(
    private readonly context: OwnerContext,
    private readonly state: PartitionState,
    private readonly writer: LogWriter,
    private readonly fanOut: FanOut,
    private readonly answers: OwnerAnswers,
    private readonly journey: PartitionJourney,
  ) {
    this.admission = new Admission({ ...QUESTIONS, monotonic: () => context.bus.clock.monotonic() });
  }

  /** Folds the log for a take-over that comes soon, and gets to know who writes. */
  static async foldEarly(context: OwnerContext, partition: number): Promise<PartitionState> {
    const state = await foldEarly(takeOverOptions(context, partition));
    warmFacts(context, state);
    return state;
  }

  /**
   * @param early what foldEarly gave, if it was asked
   * @throws PartitionLost when another worker was faster, LogUnfit
   */
  static async take(
    context: OwnerContext,
    partition: number,
    early: PartitionState | undefined,
    onLost: () => void,
  ): Promise<PartitionOwner> {
    const { bus } = context;
    const taken = await takeOver(takeOverOptions(context, partition), early);
    const { state, writer } = taken;
    if (early === undefined) warmFacts(context, state);
    const monotonic = () => bus.clock.monotonic();
    const groups = new GroupCache(context.groupSource, state.groupChanges, monotonic);
    const fanOut = newFanOut(context, groups, state, taken.fanout);
    const journey = new PartitionJourney({
      ...context,
      state,
      writer,
      fanOut,
      groups,
      onLost,
    });
    const answers = new OwnerAnswers({ ...context, state, groups, now: () => bus.clock.now() });
    const owner = new PartitionOwner(context, state, writer, fanOut, answers, journey);
    await owner.start();
    return owner;
  }

  async release(): Promise<void> {
    this.stop();
    await this.journey.finish();
    const { bus, nodeId } = this.context;
    const progress = { covered: this.state.covered, fanout: this.fanOut.position };
    await this.writer.append({ kind: "release", worker: nodeId }, progress).catch((err: Error) => {
      // Without the record the next owner waits for the deadline of the hand-over.
      if (!(err instanceof PartitionLost)) bus.logger.warn({ err }, "no release record");
    });
    // The next owner does not wait for this: both fill inboxes in the order of the log, and each passes over what the
    // other has put in.
    await this.fanOut.drain(STOPPING.fanOutMs);
    await this.fanOut.stop();
  }

  async abandon(): Promise<void> {
    this.stop();
    this.writer.stop();
    await Promise.all([this.journey.stop(), this.fanOut.stop()]);
  }

  private async start(): Promise<void> {
    const { bus } = this.context;
    const { partition } = this.state;
    this.stops.push(serveOwner(bus, partition, this.handlers()));
    const timer = setInterval(
      guarded("timer", () => this.keepHouse()),
      HOUSEKEEPING_MS,
    );
    this.stops.push(() => clearInterval(timer));
    this.fanOut.catchUp();
    await this.journey.start();
    await this.publish();
  }

  private stop(): void {
    for (const stop of this.stops.splice(0)) stop();
  }

  private handlers(): OwnerHandlers {
    const { answers } = this;
    // Most answers come from memory. Those that need MySQL may take long, and there may be many of them.
    const admitted =
      <Q, A>(answer: (question: Q) => Promise<A>) =>
      (question: Q, deadline: number) =>
        this.admission.run(() => answer(question), { deadline });
    return {
      // Orders, and what is answered from memory at once.
      state: () => this.describe(),
      "hand-over": () => {
        this.context.handOver(this.state.partition);
        return null;
      },
      "group-changed": async ({ groupId }) => {
        await this.journey.recordChanges(groupId);
        return null;
      },
      "last-seq": admitted(async ({ conversationId }) => ({ lastSeq: await answers.lastSeq(conversationId) })),
      readable: admitted(({ wanted }) => answers.readable(wanted)),
      listeners: admitted(({ conversationId, userId }) => answers.listeners(conversationId, userId)),
      "group-spans": admitted(({ groupId, userId }) => answers.groupSpans(groupId, userId)),
      "group-roster": admitted(({ groupId, userIds }) => answers.groupRoster(groupId, userIds)),
    };
  }

  describe(): OwnerState {
    const { ownerEpoch, covered, lastRecord } = this.state;
    const { position, lagMs, isStalled } = this.fanOut;
    const { nodeId } = this.context;
    const behind = { fanoutLagMs: Math.round(lagMs), fanoutStalled: isStalled, parked: this.journey.parkedCount };
    return { nodeId, epoch: ownerEpoch, covered, lastSeq: lastRecord, fanout: position, ...behind };
  }

  private async keepHouse(): Promise<void> {
    const { bus } = this.context;
    const archived = await archivePosition(this.context, this.state.partition).catch(() => undefined);
    const now = bus.clock.monotonic();
    if (archived !== undefined) {
      this.state.archived = archived;
      this.archive.add(archived, now);
    }
    const log = await readLogState(bus, this.state.partition).catch(() => undefined);
    if (log !== undefined) this.writer.setRoom(log.room);
    const longArchived = { ids: this.archive.at(now - ACCEPTED_IDS_MS), numbers: this.archive.at(now - NUMBERS_MS) };
    pruneState(this.state, bus.clock.now() - ACCEPTED_IDS_MS, longArchived);
    await this.publish();
  }

  private async publish(): Promise<void> {
    const { nodeId, boot } = this.context;
    await this.context.post(this.state.partition, { ...this.describe(), owner: nodeId, boot }).catch((err: Error) => {
      this.context.bus.logger.debug({ err }, "the state of a partition is not shown");
    });
  }
}

/** Log position of the archive; -1 when it has nothing of the partition. */
async function archivePosition({ archivePositions }: OwnerContext, partition: number): Promise<number> {
  return (await archivePositions()).get(partition)?.position ?? -1;
}

function warmFacts({ facts, bus }: OwnerContext, { sequences, partition }: PartitionState): void {
  facts.warm(sequences.newest(MOST_WARM)).catch((err: Error) => {
    bus.logger.debug({ err, partition }, "nobody is known yet, each round asks");
  });
}

function takeOverOptions(context: OwnerContext, partition: number): TakeOverOptions {
  const { bus, nodeId, boot, inboxes } = context;
  return {
    bus,
    partition,
    nodeId,
    boot,
    archivePosition: () => archivePosition(context, partition),
    fanoutPosition: () => inboxes.fanoutPosition(partition),
    putAside: (seq, index, attempts) => putAsideRequest(bus, partition, { seq, index }, whyPutAside(attempts)),
  };
}

/** A user whose inbox refuses all events costs at most one dead letter in so long, ms. */
const LETTER_EVERY_MS = 60_000;

/** The user's devices are told that their inbox began anew, and fetch everything. */
function asideFor({ bus, inboxes }: OwnerContext, partition: number): (refused: RefusedDelivery) => Promise<void> {
  const letters = new Map<string, number>();
  return async ({ userId, events, reason }) => {
    await inboxes.reset(userId);
    const now = bus.clock.monotonic();
    for (const [other, at] of letters) if (at < now - LETTER_EVERY_MS) letters.delete(other);
    if (letters.has(userId)) return;
    letters.set(userId, now);
    bus.logger.error({ partition, userId, reason }, "an inbox does not take its events, they are put aside");
    await putDeliveryAside(bus, { partition, userId, events, reason });
  };
}

/**
 * Nobody knows whether the senders of records before the take-over have their SENT: they are told again.
 * @param state as it is when the partition was taken over
 */
function newFanOut(context: OwnerContext, groups: GroupCache, state: PartitionState, position: number): FanOut {
  const { partition, lastRecord: takenAt } = state;
  const { bus } = context;
  const readEvents: LogOfPartition["readEvents"] = async (lane, fromRecord, onRecord) => {
    const { firstRecord } = await readLogState(bus, partition);
    // Not beyond this owner's own last record: records of a later owner may be for members whom this one does not know.
    await readLog(bus, partition, Math.max(firstRecord, fromRecord), state.lastRecord, async ({ seq, body }) => {
      if (body.kind !== "events") return;
      if (seq < takenAt && lane === "private") sendAnswers(context.downlink, answersAgain(body.events));
      await onRecord(seq, body.events);
    });
  };
  return new FanOut({ ...context, partition, groups, readEvents, setAside: asideFor(context, partition) }, position);
}
