/**
 * Admission: how much work is begun at once, what waits, and what is refused. One mechanism for everything that others
 * ask of a process and that costs more than memory: SYNC, PULL, the opening of sessions, log-ins, lists over HTTP.
 *
 * The idea: work that is under way is bounded, because a store that gets more than it can do at once does all of it
 * later. Behind it waits a queue. Its first places, tens, cover the unevenness of arrivals and are always there; where
 * `mostWaiting` allows more, those have a place whose turn can be expected within `patienceMs`. Before work begins, its
 * asker's deadline is looked at: what nobody waits for any more is never begun. What finds no place, or has waited for
 * `patienceMs`, is refused as `Overloaded`, with the time after which it should come back.
 *
 * That time is a booking. Each refusal books a turn behind all turns that were booked before: a crowd of thousands comes
 * back spread over the time that it takes to serve it, and not together after a fixed second. A random share keeps two
 * processes and two crowds from marching in step.
 *
 * Admission expects more than the pace at which work is done lately: that pace is of a moment in which everything else was
 * busy as well. A place in the queue is given for a turn at three times the pace, since the asker would wait in vain otherwise;
 * a booking goes by nine times. An asker who comes too early books again, which costs next to nothing; one who was told to come
 * too late leaves the process idle (measured: of 10,000 devices that SYNC, the last thousand came 12 s after the others).
 *
 * A key (a user) has bounds of its own inside these, so that one user fills neither the work nor the queue. Work whose
 * key has enough under way stays in the queue and lets others pass.
 */
import { guarded } from "../boundary";

export interface AdmissionOptions {
  /** Work under way at once. */
  atOnce: number;
  /** Work that may wait for its turn, however long that takes. */
  waiting: number;
  /** Work that may wait when its turn can be expected within the patience; absent: as many as `waiting`. */
  mostWaiting?: number;
  /** The same for the work of one key; what has no key is bounded by the others only. */
  perKey?: { atOnce: number; waiting: number };
  /** The longest wait for a turn, ms; then the asker is told to come back. */
  patienceMs: number;
  /** ms on the monotonic clock. */
  monotonic(): number;
  /** In [0, 1). */
  random?(): number;
}

export interface Asker {
  /** Whose work it is; absent: bounded by no key. */
  key?: string | undefined;
  /** Monotonic ms after which nobody waits for the result; absent: somebody always does. */
  deadline?: number | undefined;
}

/** There is more work than can be done now. */
export class Overloaded extends Error {
  /**
   * @param retryAfterMs when to try again, ms
   * @param isOfKey whether the key has too much under way, and not everybody together
   */
  constructor(
    readonly retryAfterMs: number,
    readonly isOfKey: boolean,
  ) {
    super("there is more work than can be done now");
    this.name = "Overloaded";
  }
}

/** The asker's deadline was over before the work began: nobody waits for an answer. */
export class Abandoned extends Error {
  constructor() {
    super("the asker has gone before the work began");
    this.name = "Abandoned";
  }
}

/** Least time after which a refused asker comes back, ms; a random share of it is added. */
const LEAST_RETRY_MS = 500;
/** Bookings end here, ms: whoever is told to wait longer would rather give up. */
const MOST_BOOKED_MS = 30_000;
/** Work may go so many times faster than of late: as those expect who wait, and as those are told who shall come again. */
const EXPECTED_PACE = 3;
const BOOKED_PACE = 9;
/** How long a piece of work takes as long as nothing is known, ms. */
const FIRST_MEAN_MS = 20;
/** Weight of the newest duration in the mean. */
const NEWEST = 0.1;

interface Waiting {
  key: string | undefined;
  deadline: number;
  timer: ReturnType<typeof setTimeout>;
  /** The turn has come. */
  begin(): void;
  refuse(error: Error): void;
}

export class Admission {
  private running = 0;
  private readonly queue: Waiting[] = [];
  private readonly runningOf = new Map<string, number>();
  private readonly waitingOf = new Map<string, number>();
  /** How long work takes lately, ms. */
  private meanMs = FIRST_MEAN_MS;
  /** Up to this time (monotonic ms) turns are booked by those who were refused. */
  private bookedUntil = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: AdmissionOptions) {}

  /** What is under way. */
  get underWay(): number {
    return this.running;
  }

  /** What waits for its turn. */
  get waiting(): number {
    return this.queue.length;
  }

  /**
   * Does the work, now or when its turn comes.
   * @throws Overloaded, Abandoned: the work was not begun; otherwise what the work throws
   */
  async run<T>(work: () => Promise<T>, asker: Asker = {}): Promise<T> {
    await this.enter(asker);
    const { key } = asker;
    const begunAt = this.options.monotonic();
    try {
      return await work();
    } finally {
      this.meanMs += (this.options.monotonic() - begunAt - this.meanMs) * NEWEST;
      this.leave(key);
    }
  }

  private enter({ key, deadline = Number.POSITIVE_INFINITY }: Asker): Promise<void> | undefined {
    if (this.options.monotonic() > deadline) throw new Abandoned();
    if (this.hasRoom(key)) {
      this.begin(key);
      return undefined;
    }
    const { waiting, perKey, patienceMs } = this.options;
    if (key !== undefined && (this.waitingOf.get(key) ?? 0) >= (perKey?.waiting ?? waiting)) {
      throw new Overloaded(this.retryAfter(this.meanMs), true);
    }
    if (!this.hasPlace) throw this.overloaded();
    return new Promise((resolve, reject) => {
      const one: Waiting = { key, deadline, begin: resolve, refuse: reject, timer: undefined as never };
      const giveUp = guarded("timer", () => this.giveUp(one));
      one.timer = setTimeout(giveUp, Math.min(patienceMs, deadline - this.options.monotonic()));
      this.queue.push(one);
      if (key !== undefined) count(this.waitingOf, key, 1);
    });
  }

  /** Whether one more may wait. */
  private get hasPlace(): boolean {
    const { waiting, mostWaiting = waiting, patienceMs } = this.options;
    const { length } = this.queue;
    return length < waiting || (length < mostWaiting && length * this.turnMs < patienceMs);
  }

  /** From one turn to the next, as far as can be expected. */
  private get turnMs(): number {
    return this.meanMs / this.options.atOnce / EXPECTED_PACE;
  }

  private hasRoom(key: string | undefined): boolean {
    const { atOnce, perKey } = this.options;
    if (this.running >= atOnce) return false;
    return key === undefined || (this.runningOf.get(key) ?? 0) < (perKey?.atOnce ?? atOnce);
  }

  private begin(key: string | undefined): void {
    this.running++;
    if (key !== undefined) count(this.runningOf, key, 1);
  }

  private leave(key: string | undefined): void {
    this.running--;
    if (key !== undefined) count(this.runningOf, key, -1);
    const now = this.options.monotonic();
    for (let i = 0; i < this.queue.length && this.running < this.options.atOnce; ) {
      const one = this.queue[i]!;
      if (now <= one.deadline && !this.hasRoom(one.key)) {
        i++;
        continue;
      }
      this.takeOut(one);
      if (now > one.deadline) one.refuse(new Abandoned());
      else {
        this.begin(one.key);
        one.begin();
      }
    }
  }

  /** Its turn has not come for too long. */
  private giveUp(one: Waiting): void {
    this.takeOut(one);
    // A timer may come a millisecond early; nobody waits for that one.
    const isLate = this.options.monotonic() >= one.deadline - 1;
    one.refuse(isLate ? new Abandoned() : this.overloaded());
  }

  private takeOut(one: Waiting): void {
    clearTimeout(one.timer);
    this.queue.splice(this.queue.indexOf(one), 1);
    if (one.key !== undefined) count(this.waitingOf, one.key, -1);
  }

  /** Books a turn behind everybody who waits or was refused before. */
  private overloaded(): Overloaded {
    const now = this.options.monotonic();
    const turnMs = (this.turnMs * EXPECTED_PACE) / BOOKED_PACE;
    const free = Math.max(this.bookedUntil, now + this.queue.length * turnMs);
    this.bookedUntil = Math.min(free + turnMs, now + MOST_BOOKED_MS);
    return new Overloaded(this.retryAfter(this.bookedUntil - now), false);
  }

  /** @param bookedMs until the turn that was booked */
  private retryAfter(bookedMs: number): number {
    const random = this.options.random ?? Math.random;
    return Math.ceil(LEAST_RETRY_MS * (1 + random()) + bookedMs * (0.75 + random() / 2));
  }
}

function count(counts: Map<string, number>, key: string, change: number): void {
  const now = (counts.get(key) ?? 0) + change;
  if (now === 0) counts.delete(key);
  else counts.set(key, now);
}
