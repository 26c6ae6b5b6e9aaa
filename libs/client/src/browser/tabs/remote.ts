/**
 * The side of a tab that has no connection: its calls wait for the tab that has the connection.
 *
 * Edge cases:
 * - That tab ends before it has answered: this tab asks the next one. A message keeps its id, so the server stores it once. A
 *   change over HTTP, which the server may have made already, is not repeated; its call rejects as unanswered.
 * - This tab gets the connection: its engine runs the waiting calls.
 */
import { CarillonError } from "@carillon/protocol";
import { ConnectionLost } from "../../connection/requests";
import type { CoreEvents } from "../../core";
import type { CallName, Post } from "./platform";

interface Pending {
  name: CallName;
  args: unknown[];
  /** The id of the host that has received the call. */
  asked?: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class Remote {
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #leader: string | undefined;

  constructor(
    private readonly id: string,
    private readonly post: (post: Post) => void,
  ) {}

  /**
   * Makes a call to the tab that has the connection.
   * @throws CarillonError the engine's error; UNAVAILABLE if it is unknown whether the call had an effect
   */
  call<T>(name: CallName, ...args: unknown[]): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      const id = ++this.#lastId;
      this.#pending.set(id, { name, args, resolve, reject });
      this.#ask(id);
    }) as Promise<T>;
  }

  /** Called when another tab has the connection: asks it for all waiting calls. */
  follow(leader: string): void {
    this.#leader = leader;
    for (const id of [...this.#pending.keys()]) this.#ask(id);
  }

  /** Called when this tab has the connection: runs the waiting calls here. */
  moveTo(call: (name: CallName, args: unknown[]) => Promise<unknown>): void {
    this.#leader = undefined;
    for (const [id, each] of this.#pending) {
      this.#pending.delete(id);
      if (isRepeatable(each)) call(each.name, each.args).then(each.resolve, each.reject);
      else each.reject(new ConnectionLost());
    }
  }

  settle({ id, value, error }: Post & { kind: "answer" }): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(CarillonError.fromPayload(error));
  }

  /** Gives a waiting message its new id. */
  redated({ from, to }: CoreEvents["redated"]): void {
    for (const { name, args } of this.#pending.values()) {
      const message = args[0] as { clientMsgId?: string };
      if (name === "send" && message.clientMsgId === from) args[0] = { ...message, clientMsgId: to };
    }
  }

  /** Rejects all waiting calls except log-outs. @returns a promise that resolves when the log-outs have ended */
  async end(error: Error): Promise<void> {
    const last = [...this.#pending.values()].filter(({ name }) => name === "logOut");
    for (const [id, { name, reject }] of this.#pending) {
      if (name === "logOut") continue;
      this.#pending.delete(id);
      reject(error);
    }
    await Promise.all(last.map((each) => settled(each)));
  }

  #ask(id: number): void {
    const pending = this.#pending.get(id) as Pending;
    const leader = this.#leader;
    if (leader === undefined || pending.asked === leader) return;
    if (!isRepeatable(pending)) {
      this.#pending.delete(id);
      pending.reject(new ConnectionLost());
      return;
    }
    pending.asked = leader;
    const { name, args } = pending;
    this.post({ kind: "call", from: this.id, to: leader, id, name, args });
  }
}

/** Returns whether a tab may run the call now, though another tab may have run it before. */
function isRepeatable({ name, args, asked }: Pending): boolean {
  return asked === undefined || name !== "call" || args[0] === "GET";
}

function settled(pending: Pending): Promise<void> {
  return new Promise((resolve) => {
    const { resolve: done, reject } = pending;
    pending.resolve = (value) => {
      done(value);
      resolve();
    };
    pending.reject = (error) => {
      reject(error);
      resolve();
    };
  });
}
