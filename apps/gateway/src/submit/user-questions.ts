/**
 * Bounds PULL and SYNC, the questions that an api answers at the cost of MySQL. Each user has a budget for either, over all
 * their devices at this gateway, and only a few questions of a user are under way at once; the others that the budget allows
 * wait. A limit of frames alone would let ten devices of one user keep MySQL busy for all users. Then the questions of all
 * users of this gateway wait for a turn in one room for each kind.
 *
 * Budgets outlive the sessions of their users: a user who connects again does not get a new budget.
 */
import { Abandoned, Admission, Budgets, type Clock, getOrSet, Overloaded } from "@carillon/base";
import type { Settings } from "@carillon/base/node";
import { pullQuestion, syncQuestion } from "@carillon/bus";
import { busy, CarillonError } from "@carillon/protocol";
import { WaitingRoom } from "../session/open-session";
import { QUESTION } from "../timings";

const QUESTIONS = { pull: pullQuestion, sync: syncQuestion };

type Kind = keyof typeof QUESTIONS;

/** Questions of one kind that a gateway asks for one user at once. */
const AT_ONCE: Record<Kind, number> = { pull: 8, sync: 4 };
/** Questions of one kind that a gateway asks for all users at once. */
const AT_ONCE_IN_ALL = 16;

export interface UserQuestionsOptions {
  limits: Pick<Settings["limits"], "pullsPerSecond" | "pullsBurst" | "syncsPerSecond" | "syncsBurst">;
  clock: Pick<Clock, "monotonic">;
}

export class UserQuestions {
  private readonly budgets: Record<Kind, Budgets>;
  private readonly bursts: Record<Kind, number>;
  private readonly rooms: Record<Kind, WaitingRoom>;
  /** By kind and user, while the user has questions under way. */
  private readonly admissions = new Map<string, Admission>();

  constructor(private readonly options: UserQuestionsOptions) {
    const { limits, clock } = options;
    const monotonic = () => clock.monotonic();
    this.bursts = { pull: limits.pullsBurst, sync: limits.syncsBurst };
    const newRoom = () => new WaitingRoom(AT_ONCE_IN_ALL, QUESTION.roomTurnMs, clock);
    this.rooms = { pull: newRoom(), sync: newRoom() };
    this.budgets = {
      pull: new Budgets({ perSecond: limits.pullsPerSecond, burst: limits.pullsBurst, monotonic }),
      sync: new Budgets({ perSecond: limits.syncsPerSecond, burst: limits.syncsBurst, monotonic }),
    };
  }

  /**
   * Asks a question for a user, now or when its turn comes.
   * @param ask asks an api, which has `deadlineMs` for the answer
   * @throws CarillonError RATE_LIMITED (the user asks too much), BUSY (no answer in time), or the error of the api
   */
  async run<T>(userId: string, kind: Kind, ask: (deadlineMs: number) => Promise<T>): Promise<T> {
    const { clock } = this.options;
    const retryAfterMs = this.budgets[kind].take(userId);
    if (retryAfterMs > 0) throw new CarillonError("RATE_LIMITED", undefined, { retryAfterMs });
    const key = `${kind} ${userId}`;
    const admission = getOrSet(this.admissions, key, () => this.newAdmission(kind));
    const deadline = clock.monotonic() + QUESTION.deadlineMs;
    const inTurn = () => ask(Math.min(QUESTIONS[kind].deadlineMs, deadline - clock.monotonic()));
    try {
      return await admission.run(() => this.rooms[kind].run(inTurn, { deadline }), { deadline });
    } catch (error) {
      throw refusalOf(error);
    } finally {
      if (admission.underWay + admission.waiting === 0) this.admissions.delete(key);
    }
  }

  private newAdmission(kind: Kind): Admission {
    return new Admission({
      atOnce: AT_ONCE[kind],
      waiting: this.bursts[kind],
      patienceMs: QUESTION.ownTurnMs,
      monotonic: () => this.options.clock.monotonic(),
    });
  }
}

/** RATE_LIMITED tells a user that their own questions are in the way, BUSY that those of all users are. */
function refusalOf(error: unknown): unknown {
  if (error instanceof Overloaded) {
    return new CarillonError("RATE_LIMITED", undefined, { retryAfterMs: error.retryAfterMs });
  }
  return error instanceof Abandoned ? busy() : error;
}
