/**
 * The life of a server process: it starts, reports that it is ready, drains on a signal, and never outlives its supervisor.
 *
 * A supervisor that spawns the process with an IPC channel gets one message {type: "ready", role, nodeId, addresses}.
 * A broken channel means that the supervisor is gone, perhaps by kill -9: then the process drains and exits within 5 s.
 */

import closeWithGrace from "close-with-grace";
import { onCaught } from "../boundary";
import { createLogger, type Logger } from "./logger";
import { loadOrExit } from "./settings";

/** A started process. */
export interface RunningProcess {
  /** Its addresses by kind: ws, tcp, http. */
  addresses: Record<string, string>;
  /** Stops in good order: takes no new work, finishes or hands over the present work, closes the connections. */
  stop(): Promise<void>;
}

const ORPHAN_MS = 4_000;

/** What the settings of every role contain. */
interface RoleConfig {
  nodeId: string;
  log: { level: string };
}

export interface Role<C extends RoleConfig> {
  role: string;
  /** @throws SettingsError: the process prints it and exits with 1 */
  loadConfig(): C;
  /** Maximum time for stop(), ms; after that the process exits anyway. */
  stopMs: number | ((config: C) => number);
  start(config: C, logger: Logger): Promise<RunningProcess>;
}

/** Runs a process until a signal stops it. When the start fails, it logs the error and exits with 1. */
export async function runRole<C extends RoleConfig>({ role, loadConfig, stopMs, start }: Role<C>): Promise<void> {
  const config = loadOrExit(loadConfig);
  const { nodeId, log } = config;
  const logger = createLogger(role, nodeId, log.level);
  const delay = typeof stopMs === "number" ? stopMs : stopMs(config);
  let running: RunningProcess | undefined;
  onCaught(({ place, remote, error }) => logger.error({ place, remote, err: error }, "an error was caught"));
  const closing = closeWithGrace({ delay, logger: false, skip: ["SIGHUP"] }, async ({ signal, err }) => {
    if (err !== undefined) logger.fatal({ err }, "the process failed");
    else logger.info({ signal }, "stopping");
    await running?.stop();
    logger.info("stopped");
    if (process.connected) process.disconnect();
  });
  // To a process with secrets or certificates SIGHUP says that it reads them again; any other process has lost its terminal.
  process.on("SIGHUP", () => {
    if (process.listenerCount("SIGHUP") === 1) closing.close();
  });
  process.on("disconnect", () => {
    setTimeout(() => process.exit(1), ORPHAN_MS).unref();
    closing.close();
  });
  try {
    running = await start(config, logger);
  } catch (error) {
    exitWithError(logger, error);
    return;
  }
  logger.info({ addresses: running.addresses }, "ready");
  process.send?.({ type: "ready", role, nodeId, addresses: running.addresses });
}

/** Logs why the process cannot continue, and exits with 1. */
export function exitWithError(logger: Logger, error: unknown): void {
  logger.fatal({ err: error }, (error as Error).message);
  process.stderr.write(`carillon: ${(error as Error).message}\n`);
  setTimeout(() => process.exit(1), 50);
}
