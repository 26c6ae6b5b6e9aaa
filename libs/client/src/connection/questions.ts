/** Requests of the app over the connection in use: they wait for a connection, and go over the next one if it ends. */
import { sleep } from "@carillon/base";
import { CarillonError, type ServerMessage } from "@carillon/protocol";
import { withTimeout } from "../abort";
import type { GatewayConnection } from "./gateway-connection";
import { ConnectionLost } from "./requests";

/** The time that a request waits for its answer, ms. */
export const REQUEST_MS = 10_000;
const AGAIN_MS = 50;

export interface QuestionsOptions {
  /** Returns the connection in use; undefined if there is none. */
  current(): GatewayConnection | undefined;
  /** Resolves when there is a connection, or when `patience` is aborted. @throws the error with which the client was closed */
  untilOnline(patience: AbortSignal): Promise<void>;
  /** Aborted when the client is closed. */
  closing: AbortSignal;
}

export class Questions {
  constructor(private readonly options: QuestionsOptions) {}

  /** @throws ConnectionLost if there is no connection */
  get inUse(): GatewayConnection {
    const connection = this.options.current();
    if (connection === undefined) throw new ConnectionLost();
    return connection;
  }

  /** Sends a message that has no answer over the connection in use. @returns false if there is no connection */
  tell(command: number, payload: object): boolean {
    const connection = this.options.current();
    connection?.send(command, payload);
    return connection !== undefined;
  }

  /** Closes the connection in use; the client then opens another one. */
  giveUp(why: string): void {
    this.options.current()?.close(undefined, why);
  }

  /** Sends a request over the connection in use, or not at all. @throws CarillonError, also ConnectionLost and NoAnswer */
  async once<T>(command: number, payload: object, timeoutMs = REQUEST_MS): Promise<T> {
    return (await this.inUse.request(command, payload, timeoutMs)).payload as T;
  }

  /**
   * Waits up to 10 s for a connection. If the connection ends before the answer, the request goes over the next one: a request
   * that comes twice must do no harm.
   * @throws CarillonError of the refusal; UNAVAILABLE without a connection, or without an answer
   */
  async ask<T extends ServerMessage["payload"]>(command: number, payload: object): Promise<T> {
    return withTimeout(REQUEST_MS, (waiting) => this.#askUntil<T>(command, payload, waiting));
  }

  /** @param waiting is aborted when the time to wait for a connection is over */
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

/** Returns the error of a call to a closed client. */
export function closedError(): CarillonError {
  return new CarillonError("UNAVAILABLE", "the client is closed");
}
