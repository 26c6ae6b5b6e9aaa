import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identifyProcess, type ProcessIdentity } from "@carillon/base/process-lock";
import { endProcess, signalProcess } from "./identity";

/** The plan of one server process. */
export interface ProcessPlan {
  /** Name in messages: `nats`, `redis`, `mysql`. */
  name: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
  cwd: string;
  /** A file to which stdout and stderr are appended, or a hook that reads output and messages of the child itself. */
  output: string | OutputReader;
  /** Called again and again until it returns true: the server answers. */
  isReady: () => Promise<boolean>;
  readyTimeoutMs: number;
  stopGraceMs: number;
}

/** Handles the output and the IPC messages of each child of a plan. */
interface OutputReader {
  attach(child: ChildProcess): void;
  /** The last lines of output, for error messages. */
  tail(): string;
}

/** The end of a process: an exit code or a signal. */
export type ExitReason = string;

/**
 * One server process that can be started, stopped, killed, paused and started again under the same plan.
 *
 * It gets a session of its own, so that Ctrl-C in a terminal reaches only the supervisor, which then stops the processes in
 * order. Its output goes directly into a file, because a server must never block on a pipe that nobody reads.
 */
export class ManagedProcess {
  private child: ChildProcess | undefined;
  private identity: ProcessIdentity | undefined;
  private stopping = false;
  private readonly listeners = new Set<(reason: ExitReason) => void>();

  constructor(
    readonly plan: ProcessPlan,
    private readonly onSpawn: (identity: ProcessIdentity) => void = () => {},
  ) {}

  /** The process id while it runs. */
  get pid(): number | undefined {
    return this.identity?.pid;
  }

  /** Calls the listener after every end that `stop` did not cause. @returns an unsubscribe function */
  onUnexpectedExit(listener: (reason: ExitReason) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Starts the process and waits until it is ready.
   *
   * @throws Error with the end of its log when it exits first or is not ready in time; then it does not run
   */
  async start(): Promise<void> {
    this.stopping = false;
    const child = this.spawn();
    let ended: ExitReason | undefined;
    let ready = false;
    child.once("error", (error) => {
      ended = error.message;
    });
    child.once("exit", (code, signal) => {
      ended = signal ?? `exit code ${code}`;
      if (this.child === child) {
        this.child = undefined;
        this.identity = undefined;
        if (ready && !this.stopping) {
          for (const listener of this.listeners) {
            listener(ended);
          }
        }
      }
    });
    this.child = child;
    this.identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
    if (this.identity !== undefined) {
      this.onSpawn(this.identity);
    }
    await this.waitUntilReady(() => ended);
    ready = true;
  }

  private spawn(): ChildProcess {
    const { command, args, cwd, output } = this.plan;
    const env = { ...process.env, ...this.plan.env };
    if (typeof output !== "string") {
      const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true });
      output.attach(child);
      return child;
    }
    mkdirSync(path.dirname(output), { recursive: true });
    const log = openSync(output, "a");
    try {
      return spawn(command, args, { cwd, env, stdio: ["ignore", log, log], detached: true });
    } finally {
      closeSync(log);
    }
  }

  private async waitUntilReady(ended: () => ExitReason | undefined): Promise<void> {
    const { plan } = this;
    const deadline = performance.now() + plan.readyTimeoutMs;
    while (ended() === undefined && !(await plan.isReady())) {
      if (performance.now() > deadline) {
        await this.stop();
        throw new Error(`${plan.name} was not ready within ${plan.readyTimeoutMs} ms\n${this.logTail()}`);
      }
      await sleep(25);
    }
    if (ended() !== undefined) {
      throw new Error(`${plan.name} ended while starting (${ended()})\n${this.logTail()}`);
    }
  }

  /** Stops the process, by SIGKILL after the grace time of the plan. Resolves when it has exited. */
  async stop(): Promise<void> {
    this.stopping = true;
    if (this.identity !== undefined) {
      await endProcess(this.identity, this.plan.stopGraceMs);
    }
    await this.waitForExitEvent();
  }

  /** Kills the process by SIGKILL, like a crash, and calls the listeners. Resolves when it has exited. */
  async kill(): Promise<void> {
    if (this.identity !== undefined) {
      await endProcess(this.identity, 0, "SIGKILL");
    }
    await this.waitForExitEvent();
  }

  /** Stops the process if it runs, and starts it again at the same address with the same data. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Pauses the process by SIGSTOP: it stays alive and answers nothing. */
  pause(): void {
    if (this.identity !== undefined) {
      signalProcess(this.identity, "SIGSTOP");
    }
  }

  /** Continues the process by SIGCONT. */
  resume(): void {
    if (this.identity !== undefined) {
      signalProcess(this.identity, "SIGCONT");
    }
  }

  private async waitForExitEvent(): Promise<void> {
    for (let i = 0; i < 500 && this.child !== undefined; i++) {
      await sleep(10);
    }
  }

  private logTail(): string {
    const { output } = this.plan;
    try {
      return typeof output !== "string"
        ? output.tail()
        : readFileSync(output, "utf8").trimEnd().split("\n").slice(-15).join("\n");
    } catch {
      return "";
    }
  }
}
