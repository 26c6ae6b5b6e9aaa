/** How listeners are called, and called again when they fail. */
import type { Listener } from "./events";

/** A listener of the app has thrown, rejected, or was not done in time. */
export class ListenerFailed extends Error {
  override readonly name = "ListenerFailed";

  constructor(
    /** What it listened to. */
    readonly event: string,
    /** What it was told. */
    readonly value: unknown,
    /** How often it has failed with that. */
    readonly tries: number,
    /** Whether it is not told again: the event counts as handled. */
    readonly isFinal: boolean,
    cause: unknown,
  ) {
    const next = isFinal ? "" : ", it is called again";
    super(`a listener to "${event}" failed${next}: ${(cause as Error)?.message ?? cause}`, { cause });
  }
}

/** Pauses before a listener is called again with what it failed at, ms; behind the last one it is given up. */
const AGAIN_MS = [500, 2_000, 8_000, 30_000];
const LISTENER_MS = 60_000;

/** Calls listeners in the order in which they came. One that fails disturbs no other, and nobody else. */
export class EventSource<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();
  /** Ends of the pauses before listeners are called again. */
  readonly #pauses = new Set<() => void>();

  /**
   * @param onFailure told of each failure of a listener
   * @param closing aborted when nobody is told anything any more
   */
  constructor(
    private readonly onFailure: (failure: ListenerFailed) => void,
    private readonly closing: AbortSignal,
  ) {
    closing.addEventListener("abort", () => {
      for (const end of this.#pauses) end();
    });
  }

  /** @returns a function that ends the listening */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(listener as Listener<never>));
    return () => void set.delete(listener as Listener<never>);
  }

  has(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Tells what is worth being told once. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of this.#of(name)) {
      const failed = (cause: unknown) => this.onFailure(new ListenerFailed(String(name), value, 1, true, cause));
      call(listener, value)?.then(undefined, failed);
    }
  }

  /**
   * Tells what must not be lost.
   * @returns resolves when all listeners are done with it, which may take more than one call; never when the client is
   *   closed before. Undefined: they are done.
   */
  deliver<Name extends keyof Events>(name: Name, value: Events[Name]): Promise<unknown> | undefined {
    const pending: Promise<unknown>[] = [];
    for (const listener of this.#of(name)) {
      const called = call(listener, value);
      if (called !== undefined) pending.push(this.#complete(name, listener, value, called));
    }
    return pending.length === 0 ? undefined : Promise.all(pending);
  }

  async #complete<Name extends keyof Events>(
    name: Name,
    listener: Listener<Events[Name]>,
    value: Events[Name],
    first: PromiseLike<unknown>,
  ): Promise<void> {
    let result: PromiseLike<unknown> | undefined = first;
    for (let tries = 1; ; tries++) {
      try {
        return await inTime(result);
      } catch (cause) {
        const pauseMs = AGAIN_MS[tries - 1];
        this.onFailure(new ListenerFailed(String(name), value, tries, pauseMs === undefined, cause));
        if (pauseMs === undefined) return;
        await this.#pause(pauseMs);
        // It comes again in the next life.
        if (this.closing.aborted) return new Promise(() => {});
        if (!this.#of(name).includes(listener)) return;
        result = call(listener, value);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#pauses.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#pauses.add(end);
    });
  }

  #of<Name extends keyof Events>(name: Name): Listener<Events[Name]>[] {
    return [...(this.#listeners.get(name) ?? [])] as Listener<Events[Name]>[];
  }
}

/** @returns undefined: it is done */
function call<T>(listener: Listener<T>, value: T): PromiseLike<unknown> | undefined {
  try {
    const result = listener(value);
    return isPromise(result) ? result : undefined;
  } catch (error) {
    return Promise.reject(error);
  }
}

async function inTime(work: PromiseLike<unknown> | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it was not done in ${LISTENER_MS / 1_000} s`)), LISTENER_MS);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** All events from now on, for `for await`. Leaving the loop ends the listening; what is not yet taken is kept. */
export async function* eventStream<T>(listen: (listener: Listener<T>) => () => void, ended: AbortSignal) {
  const waiting: T[] = [];
  let wake: () => void = () => {};
  const stop = listen((value) => {
    waiting.push(value);
    wake();
  });
  const onEnd = () => wake();
  ended.addEventListener("abort", onEnd);
  try {
    while (true) {
      while (waiting.length > 0) yield waiting.shift() as T;
      if (ended.aborted) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    ended.removeEventListener("abort", onEnd);
    stop();
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** The fault of somebody who was told something, where nobody else is told of it: it ends neither the page nor the process. */
export function reportUncaught(error: unknown): void {
  const { reportError = console.error } = globalThis as { reportError?: (error: unknown) => void };
  reportError(error);
}
