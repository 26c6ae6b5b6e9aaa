/**
 * Virtual time: timers, clocks and whatever the simulation schedules share one queue of events, and time jumps from
 * one to the next. Between two events all promises settle, so a run is the same every time.
 */
interface Scheduled {
  at: number;
  order: number;
  run: (() => void) | undefined;
  /** Whether promises may settle by it. */
  wakes: boolean;
}

const realTimers = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  now: performance.now.bind(performance),
};

/** What setTimeout gives back here: enough of a Node timer. */
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

  /** Runs something after `ms`. */
  after(ms: number, run: () => void): Scheduled {
    return this.at(this.now + Math.max(0, ms), run);
  }

  at(time: number, run: () => void): Scheduled {
    return this.schedule(time, run, true);
  }

  /**
   * As `at`, for what only changes a store or schedules something: no promise settles by it, so nothing is waited for
   * before the next event. More than half of all events are such.
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

  /** Runs events until `until` says so, or nothing is left before `limit` (ms). */
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

  /** Takes the place of the platform's timers and monotonic clock. @returns gives them back */
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

/** All promises that can settle have settled: what is to come in the next tick comes when no promise is left. */
function settle(): Promise<void> {
  return new Promise(inNextTick);
}

function inNextTick(resolve: () => void): void {
  process.nextTick(resolve);
}
