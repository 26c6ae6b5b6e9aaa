/** Questions of gateways that need MySQL: PULL and SYNC, answered by any api. */
import { Admission } from "@carillon/base";
import { withinDeadline } from "@carillon/base/node";
import {
  type Bus,
  type Pull,
  type Pulled,
  pullQuestion,
  type Question,
  type Sync,
  serve,
  syncQuestion,
} from "@carillon/bus";
import { type Event, encodeEvent, fitsEvents, limits, type SyncedPayload, type SyncPayload } from "@carillon/protocol";
import { busyStore } from "@carillon/store";
import { type HistoryContext, readHistory } from "./history";
import { type SyncContext, sync } from "./sync";

const QUEUE = "api";

/** A gateway waits 5 s for an answer: a question that has not begun by then is refused before. */
const PATIENCE_MS = 4_000;

/** Limits of one subject: questions in work, questions that wait, and both for one user. */
export function newQueryAdmission(monotonic: () => number): Admission {
  return new Admission({
    atOnce: 32,
    waiting: 64,
    perKey: { atOnce: 4, waiting: 16 },
    patienceMs: PATIENCE_MS,
    monotonic,
  });
}

export class QueryService {
  private stops: (() => void)[] = [];

  constructor(
    private readonly bus: Bus,
    private readonly context: HistoryContext & SyncContext,
  ) {}

  start(): void {
    this.stops = [
      this.serve(pullQuestion, (question) => pull(this.context, question)),
      this.serve(syncQuestion, (question) => this.sync(question)),
    ];
  }

  stop(): void {
    for (const stop of this.stops.splice(0)) stop();
  }

  /** Each subject has limits of its own: a crowd that asks for one subject does not delay the other. */
  private serve<Q extends { userId: string }, A>(
    question: Question<Q, A>,
    answer: (body: Q) => Promise<A>,
  ): () => void {
    const handler = (body: Q, deadline: number) => withinDeadline(deadline, () => orBusy(answer(body)));
    const admission = newQueryAdmission(() => this.bus.clock.monotonic());
    return serve(this.bus, question, handler, { queue: QUEUE, admission, keyOf: ({ userId }) => userId });
  }

  private sync({ userId, payload }: Sync): Promise<SyncedPayload> {
    // The gateway has checked the shape.
    return sync(this.context, userId, payload as SyncPayload);
  }
}

/** Reads a page for PULLED: at most 64 events and 60 KiB; the rest is left off at the far end. */
export async function pull(context: HistoryContext, question: Pull): Promise<Pulled> {
  const { userId, conversationId, fromSeq, toSeq, backwards } = question;
  const limit = Math.min(question.limit, limits.maxPageEntries);
  const page = await readHistory(context, userId, conversationId, { from: fromSeq, to: toSeq, limit, backwards });
  const events = cutToFit(page.events, backwards);
  return { events, lastSeq: page.lastSeq, more: page.more || events.length < page.events.length };
}

function cutToFit(events: Event[], backwards: boolean): Uint8Array[] {
  const encoded = events.map(encodeEvent);
  if (!backwards) return encoded.slice(0, fitsEvents(encoded));
  const fitting = fitsEvents([...encoded].reverse());
  return encoded.slice(encoded.length - fitting);
}

async function orBusy<T>(answer: Promise<T>): Promise<T> {
  return answer.catch((error: unknown) => {
    throw busyStore(error) ?? error;
  });
}
