/** Requests that wait for their answers, by requestId. */
import { CarillonError, Command, type ServerMessage } from "@carillon/protocol";

/** The connection ended before the answer came: whether the server did it is unknown. */
export class ConnectionLost extends CarillonError {
  constructor() {
    super("UNAVAILABLE", "the connection ended before the answer came");
  }
}

/** The server is heard, and has not answered in time: whether it did it is unknown. */
export class NoAnswer extends CarillonError {
  constructor(what: string, timeoutMs: number) {
    super("UNAVAILABLE", `no answer to ${what} in ${timeoutMs} ms`);
  }
}

interface Waiting {
  resolve(message: ServerMessage): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

const HIGHEST = 0xffffffff;
/** How often a deadline that is over is looked at again while nothing is heard. */
const LOOK_MS = 500;

export class Requests {
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  /**
   * A new requestId and the promise of its answer. ERROR rejects with CarillonError.
   * @param isHeard whether anything has come since: while nothing does it is the connection that does not answer, which ends
   *   then, and no deadline of the server is over
   */
  add(what: string, timeoutMs: number, isHeard: () => boolean): { requestId: number; answer: Promise<ServerMessage> } {
    const requestId = this.#nextId();
    const answer = new Promise<ServerMessage>((resolve, reject) => {
      const expire = () => {
        if (!isHeard()) {
          waiting.timer = setTimeout(expire, LOOK_MS);
          return;
        }
        this.#waiting.delete(requestId);
        reject(new NoAnswer(what, timeoutMs));
      };
      const waiting = { resolve, reject, timer: setTimeout(expire, timeoutMs) };
      this.#waiting.set(requestId, waiting);
    });
    return { requestId, answer };
  }

  /** @returns whether somebody waited for this frame */
  settle(requestId: number, message: ServerMessage): boolean {
    const one = this.#take(requestId);
    if (one === undefined) return false;
    if (message.command === Command.ERROR) one.reject(CarillonError.fromPayload(message.payload));
    else one.resolve(message);
    return true;
  }

  /** The answer to a request came, but cannot be understood. */
  fail(requestId: number, error: Error): void {
    this.#take(requestId)?.reject(error);
  }

  /** The connection is gone. */
  failAll(): void {
    for (const requestId of [...this.#waiting.keys()]) this.fail(requestId, new ConnectionLost());
  }

  #take(requestId: number): Waiting | undefined {
    const one = this.#waiting.get(requestId);
    if (one === undefined) return undefined;
    this.#waiting.delete(requestId);
    clearTimeout(one.timer);
    return one;
  }

  #nextId(): number {
    do {
      this.#lastId = this.#lastId === HIGHEST ? 1 : this.#lastId + 1;
    } while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }
}
