/**
 * Requests that kill their worker must not kill the partition. The log itself remembers enough to find them:
 *
 * - when an owner died soon after its start, the next owner takes one batch at a time: otherwise each owner would finish one
 *   batch, take all waiting ones for the next round, and die of the same request among them;
 * - an epoch record says how many epochs in a row began at the same place of the queue (`attempt`);
 * - from the third on, the owner takes one request at a time, and before it appends a *trying* record that names the request;
 * - when that owner dies, too, the last record is the *trying* record, and the request that it names is the cause: the
 *   next owner puts it aside as a dead letter, writes its name into its epoch record, and answers it by INTERNAL
 *   whenever it comes again.
 *
 * A dead request is recognised by sender and clientMsgId, because clients repeat requests that were not answered.
 * An operator who replays its letter says that the fault is mended: the request is tried again at its new place in the
 * queue. If it is accepted it is dead no more, and if it kills again it is put aside again, because it died at that place.
 */
import { type DeadRequest, type LogBody, type OriginatedRequest, PREFETCH } from "@carillon/bus";

/** Epochs in a row at the same place from which requests are taken one by one. */
export const SINGLE_STEP_FROM = 3;

/** Dead requests that an epoch record carries on; clients give up long before as many have died. */
const MOST_DEAD = 32;

export interface Poison {
  /** How many epochs in a row began at the same `covered`. */
  attempt: number;
  /** The request that was being tried when the log ended. */
  trying: { seq: number; index: number } | undefined;
  /** The newest first. */
  dead: DeadRequest[];
  /** Where in the queue the last owner began; undefined before the first, and of one that has given the partition back. */
  beganAt: number | undefined;
  /** Up to here in the queue a round is one batch. */
  singleBatchUntil: number;
  /** Up to here in the queue requests are taken one by one. */
  singleStepUntil: number;
}

export function newPoison(): Poison {
  return { attempt: 0, trying: undefined, dead: [], beganAt: undefined, singleBatchUntil: 0, singleStepUntil: 0 };
}

/**
 * Takes a record of the log into account.
 * @param before what the records before it cover of the queue
 * @param covered what it covers itself
 */
export function foldPoison(poison: Poison, body: LogBody, before: number, covered: number): void {
  if (covered > before) poison.attempt = 0;
  poison.trying = body.kind === "trying" ? { seq: body.seq, index: body.index } : undefined;
  if (body.kind === "events" && poison.dead.length > 0) {
    poison.dead = poison.dead.filter((dead) => !body.events.some((event) => isSame(dead, event)));
  }
  if (body.kind === "release") poison.beganAt = undefined;
  if (body.kind !== "epoch") return;
  const { attempt, dead } = body;
  // The request that killed the owners before is among the batches that they can have pulled.
  const danger = covered + PREFETCH;
  const diedEarly = poison.beganAt !== undefined && covered < poison.beganAt + PREFETCH;
  poison.singleBatchUntil = diedEarly ? danger : 0;
  poison.singleStepUntil = attempt >= SINGLE_STEP_FROM ? danger : 0;
  poison.beganAt = covered;
  poison.attempt = attempt;
  poison.dead = dead;
}

/** The dead that an epoch record has to name when another one has died. */
export function withDead({ dead }: Poison, another: DeadRequest): DeadRequest[] {
  return [another, ...dead].slice(0, MOST_DEAD);
}

/**
 * The reason that operators read at the dead letter. While an owner takes single requests, one death is enough.
 * @param attempts owners in a row that began at the place of the request
 */
export function whyPutAside(attempts: number): string {
  return attempts >= SINGLE_STEP_FROM
    ? `its worker died ${attempts} times at this request`
    : "its worker died while it tried this request alone, soon after another one had killed its workers";
}

/** Whether the request killed its workers before; one that was replayed: at the place where it is now. */
export function isDead({ dead }: Poison, request: OriginatedRequest): boolean {
  const { replayedAt } = request;
  return dead.some((one) => isSame(one, request) && (replayedAt === undefined || one.seq === replayedAt));
}

type Named = Pick<OriginatedRequest, "senderId" | "clientMsgId">;

function isSame(a: Named, b: Named): boolean {
  return a.senderId === b.senderId && a.clientMsgId === b.clientMsgId;
}
