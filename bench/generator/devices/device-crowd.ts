/** Many devices as a run sees them. They are in two processes, since a process holds at most 20,000 open files on a small machine. */
import path from "node:path";
import { RemoteProcess } from "../remote-process";
import type { DeviceSpec } from "./device";
import type { DeviceCalls, DeviceCounts } from "./device-process";

const PROCESS_FILE = path.join(__dirname, "device-process.ts");
const PROCESSES = 2;
const OPEN_AT_ONCE = 50;
const PROGRESS_MS = 1_000;

export class DeviceCrowd {
  private readonly processes = Array.from({ length: PROCESSES }, () => new RemoteProcess<DeviceCalls>(PROCESS_FILE));

  get pids(): number[] {
    return this.processes.map(({ pid }) => pid);
  }

  /** Connects devices, and resolves when all are connected. */
  async open(specs: DeviceSpec[], onProgress: (counts: DeviceCounts) => void): Promise<void> {
    const share = (part: number) => specs.filter((_spec, index) => index % PROCESSES === part);
    await this.watched(
      this.processes.map((each, part) => each.ask("open", { specs: share(part), atOnce: OPEN_AT_ONCE })),
      onProgress,
    );
  }

  async cut(): Promise<void> {
    await Promise.all(this.processes.map((each) => each.ask("cut")));
  }

  /** @returns for each device, ms until it was connected and complete; a device that was late is missing */
  async comeBack(missed: number, patienceMs: number, onProgress: (counts: DeviceCounts) => void): Promise<number[]> {
    const asked = this.processes.map((each) => each.ask("comeBack", { missed, patienceMs }));
    return (await this.watched(asked, onProgress)).flat();
  }

  async progress(): Promise<DeviceCounts> {
    const all = await Promise.all(this.processes.map((each) => each.ask("progress")));
    const sum = (of: (counts: DeviceCounts) => number) => all.reduce((total, counts) => total + of(counts), 0);
    return {
      connected: sum(({ connected }) => connected),
      complete: sum(({ complete }) => complete),
      events: sum(({ events }) => events),
      retries: sum(({ retries }) => retries),
      refused: all.map(({ refused }) => refused).reduce(addCounts, {}),
      errors: all.flatMap(({ errors }) => errors),
    };
  }

  close(): void {
    for (const each of this.processes) each.end();
  }

  /** @throws Error when a device reports an error */
  private async watched<T>(asked: Promise<T>[], onProgress: (counts: DeviceCounts) => void): Promise<T[]> {
    let fail: (error: Error) => void = () => {};
    const failed = new Promise<never>((_resolve, reject) => {
      fail = reject;
    });
    const timer = setInterval(() => {
      void this.progress().then((counts) => {
        onProgress(counts);
        if (counts.errors.length > 0) fail(new Error(`the run failed: ${counts.errors.slice(0, 3).join("; ")}`));
      }, fail);
    }, PROGRESS_MS);
    try {
      return await Promise.race([Promise.all(asked), failed]);
    } finally {
      clearInterval(timer);
    }
  }
}

function addCounts(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  const names = Object.keys({ ...a, ...b });
  return Object.fromEntries(names.map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
}
