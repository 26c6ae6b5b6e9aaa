/**
 * Keeps a client connected.
 *
 * The idea: one loop finds a gateway, serves the connection until it ends or a GOAWAY comes, and finds the next gateway. After a
 * GOAWAY the client still uses the old connection while it opens the next one, and leaves the old one only when the next one is
 * open: make before break. `current` is the connection in use; the client ignores messages of any other.
 *
 * Edge cases:
 * - The server closes the older connection of a device when a newer one opens (4201, replaced). So the end of the old one during
 *   a hand-over decides nothing; only the end of `current` with nothing under way does.
 * - A connection that lived for some seconds was a good one: back-off and the count of GOAWAYs begin anew.
 * - Close codes 42xx are final; after 41xx the client first gets a fresh token.
 * - The platform reports that the network is there again, or that the page is visible: the client ends its own pauses, and checks
 *   whether the connection in use is alive. The platform reports that the network is gone: the client closes the connection.
 */
import { Backoff, sleep } from "@carillon/base";
import {
  CarillonError,
  CloseCode,
  type GatewayAddress,
  type GoawayPayload,
  reconnectAdvice,
  type ServerMessage,
} from "@carillon/protocol";
import { throwIfAborted } from "../abort";
import { type FindGatewayOptions, type Found, findGateway } from "./find-gateway";
import type { Ended, GatewayConnection } from "./gateway-connection";

export interface KeeperOptions extends FindGatewayOptions {
  /** Called when the server has refused the token. @throws CarillonError if there is no other token */
  renewToken(): Promise<unknown>;
  /** Called when a new connection is in use; its messages follow. */
  onOpen(found: Found): void;
  onMessage(message: ServerMessage): void;
  onState(state: ClientState): void;
  random?: () => number;
}

/** The delay before the next attempt: full jitter, at least 0.5 s. */
const BACKOFF = { first: 1_000, most: 30_000, jitter: "full" } as const;
const GOOD_AFTER_MS = 10_000;
/** The time that a gateway has to accept a connection, ms: longer after each failed attempt, for slow networks. */
const OPEN_MS = { first: 5_000, more: 5_000, most: 15_000 };

const STOPPED = Symbol("stopped");

/** The final end of a client's connection: another attempt cannot succeed. */
export class Refused extends Error {
  override readonly name = "Refused";
  constructor(
    message: string,
    /** The close code, or a code of the error table. */
    readonly code: number,
  ) {
    super(message);
  }
}

/**
 * The next attempt. `to` undefined: the client asks for the route. `delayMs`: the delay before it, ms; undefined: the back-off
 * decides.
 */
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
  /** The gateway that the client left because it did not answer any more; undefined after the next attempt. */
  #silent: string | undefined;
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

  /** Called when the network may be there again: tries at once, and checks whether the connection in use is alive. */
  hurry(): void {
    this.#backoff.reset();
    this.#endPause();
    this.current?.doubt();
  }

  /** Called when the network is gone. */
  networkLost(): void {
    this.current?.close(undefined, "the network is gone");
  }

  /** Tries until a session is open. */
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
        // The app may have to provide a token, and may take its time.
        if (next.renew === true) await this.#untilStopped(this.options.renewToken());
        const silent = this.#silent;
        this.#silent = undefined;
        const found = await this.#untilStopped(
          findGateway(this.options, next.to, this.#hops, signal, this.#openMs, silent),
        );
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

  /** @param mayHurry whether `hurry` may end the pause: it may not shorten a delay that a server asked for */
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

  /** @throws the error itself if it is final */
  #afterRefusal(error: Error, { renew }: Next): Next {
    // Every error of the network is a CarillonError. Any other error is a fault of the SDK or of the app, and another attempt
    // does not repair it.
    if (!(error instanceof CarillonError)) throw error;
    if (error.retry === "after-auth") {
      // The server refuses the fresh token as well, or the client could not get one.
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

  /** Waits until the client needs another connection. @throws Refused after 42xx */
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
    if (code === CloseCode.HEARTBEAT_LOST) this.#silent = this.current?.connected?.gatewayId;
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

/** The state of a client; each change is an event. */
export type ClientState =
  /** The app has not called `connect` yet. */
  | { name: "idle" }
  /** The client is looking for a gateway. */
  | { name: "connecting" }
  | { name: "online"; gatewayId: string }
  /** The last attempt failed; the client makes the next one by itself, in `retryInMs` milliseconds. */
  | { name: "waiting"; retryInMs: number; error: Error }
  /**
   * Another client with the same device has the connection; this client stores messages and marks of the user. `takeOver` brings the
   * connection here. This state occurs only in browsers without Web Locks, or if the storage was copied.
   */
  | { name: "elsewhere" }
  /** The client has ended: by `close`, or by a refusal that another attempt cannot repair (then with its error). */
  | { name: "closed"; error?: Error };
