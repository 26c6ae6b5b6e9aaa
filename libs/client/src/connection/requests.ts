/** Requests that wait for their answers, by requestId. */
import { CarillonError, Command, type ServerMessage } from "@carillon/protocol";

/** The connection ended before the answer came. It is unknown whether the server executed the request. */
export class ConnectionLost extends CarillonError {
  constructor() {
    super("UNAVAILABLE", "the connection ended before the answer came");
  }
}

/** The connection is alive, but the server has not answered in time. It is unknown whether the server executed the request. */
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
/** The pause between two checks of an expired deadline while no frame comes, ms. */
const LOOK_MS = 500;

export class Requests {
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  /**
   * Returns a new requestId and the promise of its answer. ERROR rejects the promise with CarillonError.
   * @param timeoutMs the time that the server has to answer, ms
   * @param isHeard whether a frame has come since the request was sent. While none comes, the connection does not answer and will
   *   end; the deadline of the server does not expire then
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

  /** @returns whether a request waited for this frame */
  settle(requestId: number, message: ServerMessage): boolean {
    const one = this.#take(requestId);
    if (one === undefined) return false;
    if (message.command === Command.ERROR) one.reject(CarillonError.fromPayload(message.payload));
    else one.resolve(message);
    return true;
  }

  /** Rejects a request whose answer the client cannot understand, or that it could not send. */
  fail(requestId: number, error: Error): void {
    this.#take(requestId)?.reject(error);
  }

  /** Called when the connection is gone: rejects all requests. */
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
