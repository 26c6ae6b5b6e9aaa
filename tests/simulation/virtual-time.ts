/**
 * Virtual time: timers, clocks and all events of the simulation share one queue, and time jumps from one event to the next.
 * Between two events all promises settle, so a run is the same every time.
 */
interface Scheduled {
  at: number;
  order: number;
  run: (() => void) | undefined;
  /** Whether promises may settle by the event. */
  wakes: boolean;
}

const realTimers = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  now: performance.now.bind(performance),
};

/** The return value of setTimeout: the needed part of a Node timer. */
class VirtualTimer {
  constructor(public event: Scheduled) {}
  unref(): this {
    return this;
  }
  ref(): this {
    return this;
  }
}

export class VirtualTime {
  private heap: Scheduled[] = [];
  private orders = 0;
  /** ms since the run began. */
  now = 0;

  /** Runs `act` after `ms`. */
  after(ms: number, run: () => void): Scheduled {
    return this.at(this.now + Math.max(0, ms), run);
  }

  at(time: number, run: () => void): Scheduled {
    return this.schedule(time, run, true);
  }

  /**
   * As `at`, for an event that only changes a store or schedules another event: no promise settles by it, so the next event
   * need not wait. More than half of all events are of this kind.
   */
  aside(time: number, run: () => void): Scheduled {
    return this.schedule(time, run, false);
  }

  private schedule(time: number, run: () => void, wakes: boolean): Scheduled {
    const event: Scheduled = { at: Math.max(this.now, time), order: this.orders++, run, wakes };
    this.push(event);
    return event;
  }

  /** Time passes, and nothing happens meanwhile: the machine slept. */
  skip(ms: number): void {
    this.now += ms;
  }

  /** Runs events until `until` returns true, or no event is left before `limit` (ms). */
  async runUntil(until: () => boolean, limit: number): Promise<boolean> {
    await settle();
    while (!until()) {
      const event = this.pop();
      if (event === undefined || event.at > limit) return false;
      if (event.run === undefined) continue;
      this.now = Math.max(this.now, event.at);
      const { run } = event;
      event.run = undefined;
      run();
      if (event.wakes) await settle();
    }
    return true;
  }

  /** Replaces the platform's timers and monotonic clock. @returns a function that restores them */
  install(): () => void {
    const start = (ms: number | undefined, run: () => void) => new VirtualTimer(this.after(ms ?? 0, run));
    const clear = (timer: unknown) => {
      if (timer instanceof VirtualTimer) timer.event.run = undefined;
    };
    const setTimeoutHere = (run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) =>
      start(ms, () => run(...args));
    const setIntervalHere = (run: () => void, ms?: number) => {
      const again = () => {
        timer.event = this.after(ms ?? 0, again);
        run();
      };
      const timer = start(ms, again);
      return timer;
    };
    Object.assign(globalThis, {
      setTimeout: setTimeoutHere,
      clearTimeout: clear,
      setInterval: setIntervalHere,
      clearInterval: clear,
    });
    Object.assign(performance, { now: () => this.now });
    return () => {
      const { now, ...timers } = realTimers;
      Object.assign(globalThis, timers);
      performance.now = now;
    };
  }

  private push(event: Scheduled): void {
    const { heap } = this;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  private pop(): Scheduled | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Resolves when all promises that can settle have settled: callbacks of the next tick run when no promise is left. */
function settle(): Promise<void> {
  return new Promise(inNextTick);
}

function inNextTick(resolve: () => void): void {
  process.nextTick(resolve);
}
