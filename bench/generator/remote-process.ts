/** A process of the load generator as the run sees it: the run calls it by IPC, and each call gets its answer. */
import { type ChildProcess, fork } from "node:child_process";
import { PROFILE_WATCH, profileEnvironment } from "../account/profile";

interface Request {
  id: number;
  call: string;
  argument: unknown;
}

interface Reply {
  id: number;
  result?: unknown;
  error?: string;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** The calls of a process: each has at most one argument, and returns a promise. */
type Calls<C> = { [K in keyof C]: (argument: never) => Promise<unknown> };
type Argument<C extends Calls<C>, K extends keyof C> = Parameters<C[K]>[0];
type Result<C extends Calls<C>, K extends keyof C> = Awaited<ReturnType<C[K]>>;

export class RemoteProcess<C extends Calls<C>> {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  /**
   * @param file whose module calls `serveCalls`
   * @param profileFolder into which the process profiles itself; undefined: no profile
   */
  constructor(file: string, profileFolder?: string) {
    const loaded = [...(profileFolder === undefined ? [] : [PROFILE_WATCH]), require.resolve("tsx/cjs")];
    this.child = fork(file, {
      execArgv: loaded.flatMap((each) => ["--require", each]),
      env: { ...process.env, ...(profileFolder === undefined ? {} : profileEnvironment(profileFolder)) },
    });
    this.child.on("message", ({ id, result, error }: Reply) => {
      const asked = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) asked?.resolve(result);
      else asked?.reject(new Error(error));
    });
    this.child.on("exit", (code, signal) => {
      for (const { reject } of this.waiting.values()) reject(new Error(`the generator ended: ${signal ?? code}`));
      this.waiting.clear();
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  ask<K extends keyof C & string>(call: K, argument?: Argument<C, K>): Promise<Result<C, K>> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.child.send({ id, call, argument } satisfies Request);
    });
  }

  /** Ends the process, and its connections with it. */
  end(): void {
    if (this.child.connected) this.child.disconnect();
  }
}

/** Answers the run's calls to this process until the run ends. */
export function serveCalls<C extends Calls<C>>(calls: C): void {
  process.on("message", ({ id, call, argument }: Request) => {
    const reply = (answer: Reply) => process.connected && process.send!(answer);
    calls[call as keyof C](argument as never).then(
      (result) => reply({ id, result }),
      (error: Error) => reply({ id, error: error.message }),
    );
  });
  process.on("disconnect", () => process.exit(0));
}
