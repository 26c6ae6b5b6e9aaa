/** Questions of gateways that need MySQL: PULL and SYNC, answered by any api. */
import { type Bus, type Pull, type Pulled, type Sync, serve, subjects } from "@carillon/bus";
import {
  CarillonError,
  type Event,
  encodeEvent,
  fitsEvents,
  limits,
  type SyncedPayload,
  type SyncPayload,
} from "@carillon/protocol";
import { isStoreUnavailable } from "@carillon/store";
import { type HistoryContext, readHistory } from "./history";
import { type SyncContext, sync } from "./sync";

const QUEUE = "api";
const BUSY_RETRY_MS = 1_000;

export class QueryService {
  private stops: (() => void)[] = [];

  constructor(
    private readonly bus: Bus,
    private readonly context: HistoryContext & SyncContext,
  ) {}

  start(): void {
    this.stops = [
      serve<Pull, Pulled>(this.bus, subjects.pull, (question) => orBusy(pull(this.context, question)), QUEUE),
      serve<Sync, SyncedPayload>(this.bus, subjects.sync, (question) => orBusy(this.sync(question)), QUEUE),
    ];
  }

  stop(): void {
    for (const stop of this.stops.splice(0)) stop();
  }

  private sync({ userId, payload }: Sync): Promise<SyncedPayload> {
    // The gateway has checked the shape.
    return sync(this.context, userId, payload as SyncPayload);
  }
}

/** A page for PULLED: at most 64 events and 60 KiB; what does not fit is left off at the far end. */
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

/** MySQL away is no fault of the asker: he should come back later. */
async function orBusy<T>(answer: Promise<T>): Promise<T> {
  return answer.catch((error: unknown) => {
    if (!isStoreUnavailable(error)) throw error;
    throw new CarillonError("BUSY", undefined, { retryAfterMs: BUSY_RETRY_MS, cause: error });
  });
}
