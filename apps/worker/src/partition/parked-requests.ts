/**
 * Requests that cannot be decided yet wait here while the rest of their round goes on: a conversation about which MySQL must
 * be asked holds up no other. A later round decides them, as soon as the answers have come or their time is over.
 *
 * The log covers waiting requests (docs/decisions/0023): a worker that dies loses them, and their senders, who hear nothing,
 * send again. Requests of one sender into one conversation stay together, in their order.
 */
import { settlesWithin } from "@carillon/base";
import type { OriginatedRequest } from "@carillon/bus";
import { placeOf } from "../decide/decision";
import { PARKED_MS } from "../timings";

/** Timers have whole milliseconds, and may come a little early: a request whose time is nearly over does not wait again. */
const TIMER_SLACK_MS = 5;
const MOST_BYTES = 8 * 1024 * 1024;
/** Bytes of a request beside its content. */
const ADDED_BYTES = 500;

/** The answers for which requests wait. */
export interface Answers {
  /** Settles when all is answered without which the request cannot be decided; undefined: nothing is under way. */
  answersFor(request: OriginatedRequest): Promise<unknown> | undefined;
}

export interface ParkedRequest<F> {
  request: OriginatedRequest;
  facts: F;
  /** When it is refused, monotonic ms. */
  until: number;
}

interface Place<F> {
  requests: ParkedRequest<F>[];
  isReady: boolean;
}

export class ParkedRequests<F extends Answers> {
  private readonly places = new Map<string, Place<F>>();
  private readyPlaces = 0;
  private bytes = 0;
  private onEmpty: () => void = () => {};

  /**
   * @param monotonic ms
   * @param onReady called when requests can be decided
   */
  constructor(
    private readonly monotonic: () => number,
    private readonly onReady: () => void,
  ) {}

  get hasReady(): boolean {
    return this.readyPlaces > 0;
  }

  /** Requests that wait. */
  get count(): number {
    let count = 0;
    for (const { requests } of this.places.values()) count += requests.length;
    return count;
  }

  /** Whether requests wait that this one must not overtake. */
  holds(request: OriginatedRequest): boolean {
    return this.places.size > 0 && this.places.has(placeOf(request));
  }

  /**
   * Puts a request aside, behind those of the same sender and conversation that wait.
   * @param until of a request that has waited before
   * @returns false when waiting does not help, or there is no room: it should be refused
   */
  park(request: OriginatedRequest, facts: F, until = this.newDeadline()): boolean {
    const size = sizeOf(request);
    if (this.bytes + size > MOST_BYTES || until - this.monotonic() < TIMER_SLACK_MS) return false;
    const key = placeOf(request);
    const place = this.places.get(key);
    const answers = place === undefined ? facts.answersFor(request) : undefined;
    if (place === undefined && answers === undefined) return false;
    this.bytes += size;
    if (place !== undefined) place.requests.push({ request, facts, until });
    else this.open(key, { requests: [{ request, facts, until }], isReady: false }, answers!, until);
    return true;
  }

  /** Takes what can be decided now, in order. */
  takeReady(): ParkedRequest<F>[] {
    if (this.readyPlaces === 0) return [];
    const taken: ParkedRequest<F>[] = [];
    for (const [key, { requests, isReady }] of this.places) {
      if (!isReady) continue;
      this.places.delete(key);
      taken.push(...requests);
    }
    this.readyPlaces = 0;
    for (const { request } of taken) this.bytes -= sizeOf(request);
    if (this.places.size === 0) this.onEmpty();
    return taken;
  }

  /** Waits until all of them were taken, at most `ms`. */
  async emptied(ms: number): Promise<void> {
    if (this.places.size === 0) return;
    await settlesWithin(
      new Promise<void>((resolve) => {
        this.onEmpty = resolve;
      }),
      ms,
    );
  }

  /** Forgets those of these requests that wait: they come again with their batch. */
  drop(requests: readonly OriginatedRequest[]): void {
    for (const request of requests) {
      const key = placeOf(request);
      const place = this.places.get(key);
      const index = place?.requests.findIndex((each) => each.request === request) ?? -1;
      if (place === undefined || index < 0) continue;
      place.requests.splice(index, 1);
      this.bytes -= sizeOf(request);
      if (place.requests.length > 0) continue;
      this.places.delete(key);
      if (place.isReady) this.readyPlaces--;
    }
    if (this.places.size === 0) this.onEmpty();
  }

  /** Takes all that waits. */
  takeAll(): OriginatedRequest[] {
    const all = [...this.places.values()].flatMap(({ requests }) => requests.map(({ request }) => request));
    this.places.clear();
    this.readyPlaces = 0;
    this.bytes = 0;
    return all;
  }

  private open(key: string, place: Place<F>, answers: Promise<unknown>, until: number): void {
    this.places.set(key, place);
    void settlesWithin(answers, until - this.monotonic()).then(() => {
      if (this.places.get(key) !== place) return;
      place.isReady = true;
      this.readyPlaces++;
      this.onReady();
    });
  }

  private newDeadline(): number {
    const { from, to } = PARKED_MS;
    return this.monotonic() + from + Math.random() * (to - from);
  }
}

function sizeOf({ content }: OriginatedRequest): number {
  return ADDED_BYTES + content.length;
}
