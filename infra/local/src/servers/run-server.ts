import { randomBytes } from "node:crypto";
import { findFreePorts } from "../processes/free-port";
import { ManagedProcess, type ProcessPlan } from "../processes/managed-process";
import type { LocalServer, ServerOptions } from "./options";

/** Creates a password that needs no quoting in any configuration file or URL. */
export function randomPassword(): string {
  return randomBytes(18).toString("hex");
}

/** The address of a server, fixed before its configuration is rendered. */
export interface ServerAddress {
  url: string;
  port: number;
  password: string;
}

/**
 * Runs a plan as a server. When the caller named no port and another process took the chosen port before the server listened,
 * the next port is tried.
 */
export async function runServer(
  options: ServerOptions,
  portCount: number,
  prepare: (ports: number[]) => Promise<{ plan: ProcessPlan; address: ServerAddress }>,
): Promise<LocalServer> {
  for (let attempt = 1; ; attempt++) {
    const ports = await findFreePorts(portCount);
    const { plan, address } = await prepare(ports);
    const managed = new ManagedProcess(plan, (identity) => {
      options.guard?.watch(identity);
      options.onSpawn?.(identity);
    });
    try {
      await managed.start();
      return describe(managed, options.directory, address);
    } catch (error) {
      const taken = /address already in use|Address already in use|bind on TCP/i.test((error as Error).message);
      if (options.port !== undefined || attempt >= 5 || !taken) {
        throw error;
      }
    }
  }
}

function describe(managed: ManagedProcess, directory: string, address: ServerAddress): LocalServer {
  return {
    ...address,
    name: managed.plan.name,
    host: "127.0.0.1",
    directory,
    get pid() {
      return managed.pid;
    },
    start: () => managed.start(),
    stop: () => managed.stop(),
    kill: () => managed.kill(),
    restart: () => managed.restart(),
    pause: () => managed.pause(),
    resume: () => managed.resume(),
    onUnexpectedExit: (listener) => managed.onUnexpectedExit(listener),
  };
}
