/**
 * The side of a tab that has no connection: what it wants done waits for the tab that has one.
 *
 * Edge cases:
 * - That tab ends before it has answered: the next one is asked. A message keeps its id, so it cannot be doubled; a change over
 *   HTTP that may have been made already is not asked for twice, and counts as not answered.
 * - This tab becomes the one that has the connection: its engine does what waits.
 */
import { CarillonError } from "@carillon/protocol";
import { ConnectionLost } from "../../connection/requests";
import type { CoreEvents } from "../../core";
import type { CallName, Post } from "./platform";

interface Pending {
  name: CallName;
  args: unknown[];
  /** Who was asked. */
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

  /** @throws CarillonError what the engine throws; UNAVAILABLE when it is not known whether it was done */
  call<T>(name: CallName, ...args: unknown[]): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      const id = ++this.#lastId;
      this.#pending.set(id, { name, args, resolve, reject });
      this.#ask(id);
    }) as Promise<T>;
  }

  /** Another tab has the connection. */
  follow(leader: string): void {
    this.#leader = leader;
    for (const id of [...this.#pending.keys()]) this.#ask(id);
  }

  /** This tab has it: what waits is done here. */
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

  /** A message that waits here has another id from now on. */
  redated({ from, to }: CoreEvents["redated"]): void {
    for (const { name, args } of this.#pending.values()) {
      const message = args[0] as { clientMsgId?: string };
      if (name === "send" && message.clientMsgId === from) args[0] = { ...message, clientMsgId: to };
    }
  }

  /** Nothing waits any more, but for the end of a log-out. @returns when there is nothing left */
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

/** Whether it may be done now, though somebody else may have done it before. */
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
