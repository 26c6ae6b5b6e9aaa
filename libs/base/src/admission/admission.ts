/**
 * Admission decides how much work begins at once, what work waits, and what work is refused. It is the one mechanism for all
 * work that others ask of a process and that costs more than memory: SYNC, PULL, opening sessions, log-ins, lists over HTTP.
 *
 * The idea: the work in progress is limited, because a store that gets more than it can do at once does all of it later. Further
 * work waits in a queue. The first places of the queue (tens) cover uneven arrivals and always exist. Where `mostWaiting` allows
 * more places, work gets one if its turn is expected within `patienceMs`. Before work begins, admission checks the deadline of
 * its asker: it never begins work for which nobody waits any more. It refuses work that finds no place, or that has waited for
 * `patienceMs`, as `Overloaded`, and tells the asker when to come back.
 *
 * That time is a booking. Each refusal books a turn after all turns that were booked before. So a crowd of thousands comes
 * back spread over the time that serving it takes, and not together after a fixed second. A random share keeps two processes
 * and two crowds from falling into step.
 *
 * Admission expects more than the recent pace of work, because that pace was measured while everything else was busy, too. A
 * place in the queue counts on three times the pace, because otherwise the asker would wait in vain. A booking counts on nine
 * times. An asker that comes too early books again, which costs next to nothing; an asker that was told to come too late leaves
 * the process idle (measured: of 10,000 devices that SYNC, the last thousand came 12 s after the others).
 *
 * A key (a user) has limits of its own inside these limits, so that one user fills neither the work nor the queue. Work of a
 * key that has enough work in progress stays in the queue and lets other work pass.
 */
import { guarded } from "../boundary";

export interface AdmissionOptions {
  /** Maximum of work in progress at once. */
  atOnce: number;
  /** Maximum of work that may wait for its turn, however long that takes. */
  waiting: number;
  /** Maximum of work that may wait when its turn is expected within the patience; absent: as `waiting`. */
  mostWaiting?: number;
  /** The same for the work of one key; work without a key has only the limits above. */
  perKey?: { atOnce: number; waiting: number };
  /** Longest wait for a turn, ms; then admission tells the asker to come back. */
  patienceMs: number;
  /** ms on the monotonic clock. */
  monotonic(): number;
  /** In [0, 1). */
  random?(): number;
}

export interface Asker {
  /** The key of the work; absent: no limit of a key applies. */
  key?: string | undefined;
  /** Monotonic ms after which nobody waits for the result; absent: the asker waits for ever. */
  deadline?: number | undefined;
}

/** Refusal: there is more work than the process can do now. */
export class Overloaded extends Error {
  /**
   * @param retryAfterMs when to try again, ms
   * @param isOfKey whether only this key has too much work in progress
   */
  constructor(
    readonly retryAfterMs: number,
    readonly isOfKey: boolean,
  ) {
    super("there is more work than can be done now");
    this.name = "Overloaded";
  }
}

/** Refusal: the asker's deadline was over before the work began, so nobody waits for an answer. */
export class Abandoned extends Error {
  constructor() {
    super("the asker has gone before the work began");
    this.name = "Abandoned";
  }
}

/** Minimum time after which a refused asker comes back, ms; admission adds a random share of it. */
const LEAST_RETRY_MS = 500;
/** Maximum time of a booking, ms: an asker that has to wait longer would give up. */
const MOST_BOOKED_MS = 30_000;
/** Factors by which work may become faster than lately: for places in the queue, and for bookings. */
const EXPECTED_PACE = 3;
const BOOKED_PACE = 9;
/** Assumed duration of a piece of work before the first measurement, ms. */
const FIRST_MEAN_MS = 20;
/** Weight of the newest duration in the mean. */
const NEWEST = 0.1;

interface Waiting {
  key: string | undefined;
  deadline: number;
  timer: ReturnType<typeof setTimeout>;
  /** Begins the work when its turn has come. */
  begin(): void;
  refuse(error: Error): void;
}

export class Admission {
  private running = 0;
  private readonly queue: Waiting[] = [];
  private readonly runningOf = new Map<string, number>();
  private readonly waitingOf = new Map<string, number>();
  /** Recent duration of work, ms. */
  private meanMs = FIRST_MEAN_MS;
  /** Refused askers have booked turns up to this time (monotonic ms). */
  private bookedUntil = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: AdmissionOptions) {}

  /** The work in progress. */
  get underWay(): number {
    return this.running;
  }

  /** The work that waits for its turn. */
  get waiting(): number {
    return this.queue.length;
  }

  /**
   * Does the work, now or when its turn comes.
   * @throws Overloaded, Abandoned: the work did not begin; otherwise the error of the work
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

  /** Whether one more piece of work may wait. */
  private get hasPlace(): boolean {
    const { waiting, mostWaiting = waiting, patienceMs } = this.options;
    const { length } = this.queue;
    return length < waiting || (length < mostWaiting && length * this.turnMs < patienceMs);
  }

  /** Expected time from one turn to the next, ms. */
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

  /** Refuses work whose turn has not come within the patience. */
  private giveUp(one: Waiting): void {
    this.takeOut(one);
    // A timer may fire a millisecond early.
    const isLate = this.options.monotonic() >= one.deadline - 1;
    one.refuse(isLate ? new Abandoned() : this.overloaded());
  }

  private takeOut(one: Waiting): void {
    clearTimeout(one.timer);
    this.queue.splice(this.queue.indexOf(one), 1);
    if (one.key !== undefined) count(this.waitingOf, one.key, -1);
  }

  /** Books a turn after all work that waits and all askers that were refused before. */
  private overloaded(): Overloaded {
    const now = this.options.monotonic();
    const turnMs = (this.turnMs * EXPECTED_PACE) / BOOKED_PACE;
    const free = Math.max(this.bookedUntil, now + this.queue.length * turnMs);
    this.bookedUntil = Math.min(free + turnMs, now + MOST_BOOKED_MS);
    return new Overloaded(this.retryAfter(this.bookedUntil - now), false);
  }

  /** @param bookedMs time until the booked turn, ms */
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
