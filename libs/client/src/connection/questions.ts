/** Requests of the app over whatever connection is in use: they wait for one, and go over the next when it ends. */
import { sleep } from "@carillon/base";
import { CarillonError, type ServerMessage } from "@carillon/protocol";
import { withTimeout } from "../abort";
import type { GatewayConnection } from "./gateway-connection";
import { ConnectionLost } from "./requests";

/** How long a request waits for its answer, ms. */
export const REQUEST_MS = 10_000;
const AGAIN_MS = 50;

export interface QuestionsOptions {
  /** The connection in use; undefined when there is none. */
  current(): GatewayConnection | undefined;
  /** Resolves when there is one, or `patience` is over. @throws the error with which the client was closed */
  untilOnline(patience: AbortSignal): Promise<void>;
  /** Aborted when the client is closed. */
  closing: AbortSignal;
}

export class Questions {
  constructor(private readonly options: QuestionsOptions) {}

  /** @throws ConnectionLost when there is no connection */
  get inUse(): GatewayConnection {
    const connection = this.options.current();
    if (connection === undefined) throw new ConnectionLost();
    return connection;
  }

  /** Sends a message that has no answer over the connection in use. @returns false when there is none */
  tell(command: number, payload: object): boolean {
    const connection = this.options.current();
    connection?.send(command, payload);
    return connection !== undefined;
  }

  /** Gives the connection in use up; another one follows. */
  giveUp(why: string): void {
    this.options.current()?.close(undefined, why);
  }

  /** Over the connection in use, or not at all. @throws CarillonError, also ConnectionLost and NoAnswer */
  async once<T>(command: number, payload: object, timeoutMs = REQUEST_MS): Promise<T> {
    return (await this.inUse.request(command, payload, timeoutMs)).payload as T;
  }

  /**
   * Waits some seconds for a connection. When that ends before the answer, the request goes over the next one: it must do
   * no harm when it comes twice.
   * @throws CarillonError the refusal; UNAVAILABLE without a connection, or an answer
   */
  async ask<T extends ServerMessage["payload"]>(command: number, payload: object): Promise<T> {
    return withTimeout(REQUEST_MS, (waiting) => this.#askUntil<T>(command, payload, waiting));
  }

  /** @param waiting aborted when it was waited for a connection long enough */
  async #askUntil<T>(command: number, payload: object, waiting: AbortSignal): Promise<T> {
    const { current, untilOnline, closing } = this.options;
    while (true) {
      while (current() === undefined) {
        if (waiting.aborted) throw new CarillonError("UNAVAILABLE", "not connected");
        await untilOnline(waiting);
      }
      try {
        return await this.once<T>(command, payload);
      } catch (error) {
        if (!(error instanceof ConnectionLost) || waiting.aborted) throw error;
        await sleep(AGAIN_MS, closing);
        if (closing.aborted) throw closedError();
      }
    }
  }
}

/** What is asked of a client that was closed. */
export function closedError(): CarillonError {
  return new CarillonError("UNAVAILABLE", "the client is closed");
}
