/**
 * The life of a server process: start, tell that it is ready, drain on a signal, never outlive its supervisor.
 *
 * A supervisor that spawns us with an IPC channel gets one message {type: "ready", role, nodeId, addresses}.
 * When the channel breaks the supervisor is gone, maybe by kill -9: the process drains and is away in 5 s.
 */

import closeWithGrace from "close-with-grace";
import { onCaught } from "../boundary";
import type { Logger } from "./logger";

/** What a started process hands back. */
export interface RunningProcess {
  /** Where it can be reached, by kind: ws, tcp, http. */
  addresses: Record<string, string>;
  /** Leaves in good order: no new work, finish or hand over the old, close the connections. */
  stop(): Promise<void>;
}

const ORPHAN_MS = 4_000;

export interface LifecycleOptions {
  role: string;
  nodeId: string;
  logger: Logger;
  /** Most time for stop(), ms; then the process ends anyhow. */
  stopMs: number;
}

/** Runs a process until it is told to stop. A start that fails is logged, and the process exits with 1. */
export async function runProcess(options: LifecycleOptions, start: () => Promise<RunningProcess>): Promise<void> {
  const { role, nodeId, logger, stopMs } = options;
  let running: RunningProcess | undefined;
  onCaught(({ place, remote, error }) => logger.error({ place, remote, err: error }, "an error was caught"));
  const closing = closeWithGrace({ delay: stopMs, logger: false }, async ({ signal, err }) => {
    if (err !== undefined) logger.fatal({ err }, "the process failed");
    else logger.info({ signal }, "stopping");
    await running?.stop();
    logger.info("stopped");
    if (process.connected) process.disconnect();
  });
  process.on("disconnect", () => {
    setTimeout(() => process.exit(1), ORPHAN_MS).unref();
    closing.close();
  });
  try {
    running = await start();
  } catch (error) {
    exitWithError(logger, error);
    return;
  }
  logger.info({ addresses: running.addresses }, "ready");
  process.send?.({ type: "ready", role, nodeId, addresses: running.addresses });
}

/** Logs why the process cannot go on and ends it with 1. */
export function exitWithError(logger: Logger, error: unknown): void {
  logger.fatal({ err: error }, (error as Error).message);
  process.stderr.write(`carillon: ${(error as Error).message}\n`);
  setTimeout(() => process.exit(1), 50);
}
