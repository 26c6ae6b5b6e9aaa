import type { ChildProcess } from "node:child_process";
import type { ProcessIdentity } from "@carillon/base/process-lock";
import type { ProcessGuard } from "../processes/guard";
import { lineSplitter } from "../processes/log-file";
import { ManagedProcess } from "../processes/managed-process";
import type { Role } from "./cluster-options";

/** Addresses of a ready process: `ws` and `http` are URLs, `tcp` and `udp` are host:port. */
export interface NodeAddresses {
  ws?: string;
  tcp?: string;
  udp?: string;
  http?: string;
}

export interface AppPlan {
  role: Role;
  nodeId: string;
  /** Absolute path of the program. */
  entryPoint: string;
  env: Record<string, string>;
  cwd: string;
  /** Gets each line that the process writes, as JSON. */
  writeLog: (line: string) => void;
  guard: ProcessGuard;
  onSpawn: (identity: ProcessIdentity) => void;
}

/**
 * Nursery sizes by role. Young objects of these roles live through a batch of hundreds of messages; a larger nursery keeps them
 * out of the old generation. A gateway has the usual size, because a larger one would cost memory for each of its connections.
 */
const NODE_FLAGS: Partial<Record<Role, string[]>> = {
  worker: ["--max-semi-space-size=32"],
  archiver: ["--max-semi-space-size=32"],
};

/**
 * A Carillon process. It reports by IPC when it is ready (`{type: "ready", addresses}`), and takes the end of the channel for
 * the end of its supervisor. SIGTERM makes it drain; after 10 s it is killed.
 */
export class AppProcess extends ManagedProcess {
  /** The addresses that it reported when it was last ready. */
  addresses: NodeAddresses = {};

  constructor(readonly app: AppPlan) {
    const lastLines: string[] = [];
    let ready = false;
    const attach = (child: ChildProcess): void => {
      ready = false;
      lastLines.length = 0;
      child.on("message", (message: { type?: string; addresses?: NodeAddresses }) => {
        if (message?.type === "ready") {
          this.addresses = message.addresses ?? {};
          ready = true;
        }
      });
      child.on("error", () => {});
      for (const stream of [child.stdout!, child.stderr!]) {
        stream.on("error", () => {});
        stream.on(
          "data",
          lineSplitter((line) => {
            lastLines.push(line);
            lastLines.splice(0, lastLines.length - 15);
            app.writeLog(asJsonLine(app.nodeId, line));
          }),
        );
      }
    };
    super(
      {
        name: app.nodeId,
        command: process.execPath,
        args: [...(NODE_FLAGS[app.role] ?? []), app.entryPoint],
        env: app.env,
        cwd: app.cwd,
        output: { attach, tail: () => lastLines.join("\n") },
        isReady: async () => ready,
        readyTimeoutMs: 60_000,
        stopGraceMs: 10_000,
      },
      (identity) => {
        app.guard.watch(identity);
        app.onSpawn(identity);
      },
    );
  }

  get name(): string {
    return this.app.nodeId;
  }
}

/** A line of the common log: JSON stays unchanged, other text (a stack trace, a warning of Node) is wrapped. */
export function asJsonLine(nodeId: string, line: string): string {
  if (line.startsWith("{") && line.endsWith("}")) {
    return line;
  }
  return JSON.stringify({ level: 40, time: new Date().toISOString(), name: nodeId, msg: line });
}
