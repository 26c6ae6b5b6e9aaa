/**
 * Keeps a client connected.
 *
 * The idea: one loop. It finds a gateway, serves the connection until it ends or a GOAWAY comes, and finds the next
 * one. After a GOAWAY the old connection is still in use while the next one is made, and is left only when that is
 * open: make before break. Which connection is in use is `current`; what comes over any other one is not looked at.
 *
 * Edge cases:
 * - The server closes the older connection of a device when a newer one opens (4201, replaced). So the end of the
 *   old one during a hand-over decides nothing; only the end of `current` with nothing under way does.
 * - A connection that lived for some seconds was a good one: back-off and the count of GOAWAYs begin anew.
 * - Close codes 42xx end it all; 41xx ask for a fresh token first.
 * - The platform says that the network is there again, or that the page is looked at: nothing waits for its time any more,
 *   and a connection in use has to show that it is alive. It says that the network is gone: the connection is given up.
 */
import { Backoff, sleep } from "@carillon/base";
import {
  CarillonError,
  type GatewayAddress,
  type GoawayPayload,
  reconnectAdvice,
  type ServerMessage,
} from "@carillon/protocol";
import { throwIfAborted } from "../abort";
import { type FindGatewayOptions, type Found, findGateway } from "./find-gateway";
import type { Ended, GatewayConnection } from "./gateway-connection";

export interface KeeperOptions extends FindGatewayOptions {
  /** The server refused the token. @throws CarillonError when there is no other */
  renewToken(): Promise<unknown>;
  /** A new connection is in use; its messages follow. */
  onOpen(found: Found): void;
  onMessage(message: ServerMessage): void;
  onState(state: ClientState): void;
  random?: () => number;
}

/** Delay before the next try: full jitter, 0.5 s at least. */
const BACKOFF = { first: 1_000, most: 30_000, jitter: "full" } as const;
const GOOD_AFTER_MS = 10_000;
/** How long a gateway may take to accept a connection: longer with each try that failed, for slow networks. */
const OPEN_MS = { first: 5_000, more: 5_000, most: 15_000 };

const STOPPED = Symbol("stopped");

/** The end that trying again does not cure. */
export class Refused extends Error {
  override readonly name = "Refused";
  constructor(
    message: string,
    /** Close code, or code of the error table. */
    readonly code: number,
  ) {
    super(message);
  }
}

/** Where to go next: undefined is where the route says. `delayMs` before that, undefined: as the back-off says. */
interface Next {
  to?: GatewayAddress | undefined;
  delayMs?: number;
  renew?: boolean;
}

export class Keeper {
  current: GatewayConnection | undefined;
  readonly #stopping = new AbortController();
  readonly #stopped = new Promise<undefined>((resolve) => {
    this.#stopping.signal.addEventListener("abort", () => resolve(undefined));
  });
  readonly #backoff: Backoff;
  #hops = 0;
  #openMs = OPEN_MS.first;
  #endPause: () => void = () => {};

  constructor(private readonly options: KeeperOptions) {
    this.#backoff = new Backoff(BACKOFF, options.random);
  }

  /** Runs until `stop` or a final refusal, which it throws. */
  async run(): Promise<void> {
    let next: Next = { delayMs: 0 };
    try {
      while (true) {
        const found = await this.#find(next);
        const openedAt = performance.now();
        this.#use(found);
        next = await this.#serve(found.connection);
        if (performance.now() - openedAt >= GOOD_AFTER_MS) {
          this.#backoff.reset();
          this.#hops = 0;
        }
      }
    } catch (error) {
      if (!this.#stopping.signal.aborted) throw error;
    } finally {
      this.current?.leave();
      this.current = undefined;
    }
  }

  stop(): void {
    this.#stopping.abort(new Error("closed by the app"));
  }

  /** The network may be there again: tries at once, and asks whether the connection in use is alive. */
  hurry(): void {
    this.#backoff.reset();
    this.#endPause();
    this.current?.doubt();
  }

  /** The network is gone. */
  networkLost(): void {
    this.current?.close(undefined, "the network is gone");
  }

  /** Tries until there is a session. */
  async #find(first: Next): Promise<Found> {
    const { signal } = this.#stopping;
    let next = first;
    let failure: Error = new Error("the connection was lost");
    while (true) {
      const delay = next.delayMs ?? this.#backoff.next();
      if (this.current === undefined && next.delayMs === undefined) {
        this.options.onState({ name: "waiting", retryInMs: delay, error: failure });
      }
      await this.#pause(delay, next.delayMs === undefined);
      throwIfAborted(signal);
      if (this.current === undefined) this.options.onState({ name: "connecting" });
      try {
        // The app may be asked for a token, and may take its time.
        if (next.renew === true) await this.#untilStopped(this.options.renewToken());
        const found = await this.#untilStopped(findGateway(this.options, next.to, this.#hops, signal, this.#openMs));
        this.#openMs = OPEN_MS.first;
        return found;
      } catch (error) {
        throwIfAborted(signal);
        this.#openMs = Math.min(this.#openMs + OPEN_MS.more, OPEN_MS.most);
        failure = error as Error;
        next = this.#afterRefusal(failure, next);
      }
    }
  }

  /** @param mayHurry whether it is of our own: what a server asked for is kept to */
  async #pause(ms: number, mayHurry: boolean): Promise<void> {
    const isOver = new AbortController();
    const end = () => isOver.abort();
    if (mayHurry) this.#endPause = end;
    this.#stopping.signal.addEventListener("abort", end);
    await sleep(ms, isOver.signal);
    this.#stopping.signal.removeEventListener("abort", end);
    this.#endPause = () => {};
  }

  /** @throws the reason of `stop` */
  async #untilStopped<T>(work: Promise<T>): Promise<T> {
    const result = await Promise.race([work, this.#stopped.then(() => STOPPED)]);
    if (result !== STOPPED) return result as T;
    work.catch(() => {});
    throw this.#stopping.signal.reason;
  }

  /** @throws when it is final */
  #afterRefusal(error: Error, { renew }: Next): Next {
    // A fault of ours or of the app, which no other try mends: everything of the network is a CarillonError.
    if (!(error instanceof CarillonError)) throw error;
    if (error.retry === "after-auth") {
      // The fresh token is refused as well, or none was to be had.
      if (renew === true) throw error;
      return { renew: true, delayMs: 0 };
    }
    if (error.retry === "never") throw error;
    if (error.retryAfterMs === undefined) return {};
    return { delayMs: this.#backoff.nextAfter(error.retryAfterMs) };
  }

  #use(found: Found): void {
    const { connection, connected, hops } = found;
    const old = this.current;
    this.current = connection;
    this.#hops = hops;
    old?.leave();
    this.options.onState({ name: "online", gatewayId: connected.gatewayId });
    this.options.onOpen(found);
    connection.listen((message) => {
      if (this.current === connection) this.options.onMessage(message);
    });
  }

  /** Waits until another connection is needed. @throws Refused after 42xx */
  async #serve(connection: GatewayConnection): Promise<Next> {
    const event = await Promise.race([this.#stopped, connection.ended, connection.goaway]);
    if (event === undefined) throw this.#stopping.signal.reason;
    if (!("graceMs" in event)) return this.#afterEnd(event);
    void connection.ended.then(() => {
      if (this.current === connection) this.current = undefined;
    });
    return this.#afterGoaway(event);
  }

  #afterGoaway({ reconnectTo, afterMs }: GoawayPayload): Next {
    this.#hops++;
    return { to: reconnectTo, delayMs: afterMs };
  }

  #afterEnd({ code, reason }: Ended): Next {
    this.current = undefined;
    switch (code === undefined ? "back-off" : reconnectAdvice(code)) {
      case "never":
        throw new Refused(reason, code as number);
      case "new-token":
        return { renew: true, delayMs: this.#backoff.next() };
      case "back-off":
        return {};
    }
  }
}

/** Where a client stands; every change is an event. */
export type ClientState =
  /** `connect` was not called yet. */
  | { name: "idle" }
  /** A gateway is being looked for. */
  | { name: "connecting" }
  | { name: "online"; gatewayId: string }
  /** The last try failed; the next one comes by itself. */
  | { name: "waiting"; retryInMs: number; error: Error }
  /**
   * Another client with the same device has the connection; what is written here is kept. `takeOver` brings the connection here.
   * Only in browsers without Web Locks, or where the storage was copied.
   */
  | { name: "elsewhere" }
  /** Over: by `close`, or by a refusal that trying again does not cure (then with its error). */
  | { name: "closed"; error?: Error };
