import { fork } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import path from "node:path";
import type { ClusterOptions } from "../supervisor/cluster-options";
import type { DetachedMessage } from "./detached-main";

/**
 * Starts a supervisor that outlives this process, and resolves when its cluster is ready. The output of the supervisor goes to
 * `logs/supervisor.log`. Until then this process forwards signals to it, and a signal undoes the start.
 *
 * @throws Error with the supervisor's own message when it does not get ready.
 */
export async function startDetached(options: ClusterOptions): Promise<void> {
  const { onProgress = () => {}, ...plain } = options;
  const logs = path.join(options.directory, "logs");
  mkdirSync(logs, { recursive: true });
  const log = openSync(path.join(logs, "supervisor.log"), "a");
  const program = path.join(__dirname, `detached-main${path.extname(__filename)}`);
  const child = fork(program, [], {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
    cwd: options.directory,
  });
  closeSync(log);
  // Sent by IPC and not as an argument: all users of the machine can see arguments, and addresses of stores contain passwords.
  child.send(plain);
  const handOn = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, handOn);
  }
  try {
    await new Promise<void>((resolve, reject) => {
      child.on("message", (message: DetachedMessage) => {
        if ("progress" in message) {
          onProgress(message.progress);
        } else if ("ready" in message) {
          resolve();
        } else {
          reject(Object.assign(new Error(message.error), { name: message.name }));
        }
      });
      child.once("error", reject);
      child.once("exit", (code, signal) =>
        reject(new Error(`the supervisor ended while starting (${signal ?? `exit code ${code}`}); see ${logs}`)),
      );
    });
  } finally {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.off(signal, handOn);
    }
    if (child.connected) {
      child.disconnect();
    }
    child.unref();
  }
}
