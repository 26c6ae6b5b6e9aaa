/** Calls listeners, and calls them again when they fail. */
import type { Listener } from "./events";

/** A listener of the app has thrown, rejected, or not finished in time. */
export class ListenerFailed extends Error {
  override readonly name = "ListenerFailed";

  constructor(
    /** The name of the event. */
    readonly event: string,
    /** The value that the listener received. */
    readonly value: unknown,
    /** The number of times that the listener has failed with this value. */
    readonly tries: number,
    /** Whether the client gives up: it does not call the listener again, and the event counts as handled. */
    readonly isFinal: boolean,
    cause: unknown,
  ) {
    const next = isFinal ? "" : ", it is called again";
    super(`a listener to "${event}" failed${next}: ${(cause as Error)?.message ?? cause}`, { cause });
  }
}

/** The pauses before the client calls a failed listener again, ms; after the last one it gives the listener up. */
const AGAIN_MS = [500, 2_000, 8_000, 30_000];
const LISTENER_MS = 60_000;

/** Calls listeners in the order in which they subscribed. A listener that fails disturbs no other listener. */
export class EventSource<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();
  /** The callbacks that end the pauses before repeated calls. */
  readonly #pauses = new Set<() => void>();

  /**
   * @param onFailure is called at each failure of a listener
   * @param closing is aborted when the source calls no listener any more
   */
  constructor(
    private readonly onFailure: (failure: ListenerFailed) => void,
    private readonly closing: AbortSignal,
  ) {
    closing.addEventListener("abort", () => {
      for (const end of this.#pauses) end();
    });
  }

  /** @returns an unsubscribe function */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(listener as Listener<never>));
    return () => void set.delete(listener as Listener<never>);
  }

  has(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Calls the listeners once each, and reports failures. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of this.#of(name)) {
      const failed = (cause: unknown) => this.onFailure(new ListenerFailed(String(name), value, 1, true, cause));
      call(listener, value)?.then(undefined, failed);
    }
  }

  /**
   * Delivers an event that must not be lost.
   * @returns a promise that resolves when all listeners are done with the event, which may take more than one call; it never
   *   resolves if the client is closed before. Undefined: the listeners are done already
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
        // The server sends the event again in the next run of the app.
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

/** @returns undefined if the listener is done already */
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

/**
 * Yields all events from now on, for `for await`. It queues events until the loop takes them; the end of the loop unsubscribes.
 */
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

/** Reports an error of a callback that no caller handles; the report ends neither the page nor the process. */
export function reportUncaught(error: unknown): void {
  const { reportError = console.error } = globalThis as { reportError?: (error: unknown) => void };
  reportError(error);
}
