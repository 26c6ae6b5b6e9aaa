import pino from "pino";
import { guarded } from "../boundary";

export type Logger = pino.Logger;

/** Below this level all lines are written: an operator who asks for them wants all of them. */
const COUNTED_FROM = pino.levels.values["info"]!;

/**
 * Creates a logger that writes one JSON line per event to standard output, each with role and node. Of lines with the same text
 * (and the same `address`, where they have one) it writes five in 10 s; then `leftOut` says how many more there were.
 * @param level lowest level that is written
 */
export function createLogger(role: string, nodeId: string, level: string): Logger {
  const destination = pino.destination({ fd: 1, sync: false, minLength: 0 });
  // The reader of the output may die before this process; a draining process must not fail because of its own log line.
  destination.on("error", () => {});
  const base = { role, node: nodeId };
  return pino({ level, base, timestamp: pino.stdTimeFunctions.isoTime, hooks: countRepeated() }, destination);
}

/** A logger that writes nothing, for tests and tools. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}

/** Writes a step on the way of a message, with the fields that identify the message. */
export type Trace = (fields: object, step: string) => void;

/** @returns undefined unless debug lines are written, so that they cost nothing otherwise */
export function traceOf(logger: Logger): Trace | undefined {
  return logger.isLevelEnabled("debug") ? (fields, step) => logger.debug(fields, step) : undefined;
}

/** A hook of pino that handles each line before it is written. */
export function countRepeated(): NonNullable<pino.LoggerOptions["hooks"]> {
  const lines = new RepeatedLines();
  return {
    logMethod(args, method, level) {
      const text: unknown = args.find((argument: unknown) => typeof argument === "string");
      const address = addressIn(args[0]);
      const from = address === undefined ? {} : { address };
      const tell = (leftOut: number) => method.call(this, { leftOut, ...from }, String(text));
      if (level < COUNTED_FROM || text === undefined || lines.admits(level, String(text), address, tell)) {
        method.apply(this, args);
      }
    },
  };
}

/** The address of the client that caused a line: `address`, or `remote` without its port. */
function addressIn(fields: unknown): string | undefined {
  const { address, remote } = Object(fields) as { address?: unknown; remote?: unknown };
  if (typeof address === "string") return address;
  return typeof remote === "string" ? remote.slice(0, remote.lastIndexOf(":")) : undefined;
}

/**
 * Limits repeated log lines. A fault makes a process write the same line hundreds of times a minute. The first lines tell
 * everything; of the others the reader needs only the number.
 */

/** Number of lines with the same text and level that are written in one window; further lines are counted. */
const WRITTEN = 5;
const WINDOW_MS = 10_000;
/** Number of addresses whose lines are counted separately; lines of further addresses are counted together. */
const MOST_ADDRESSES = 500;

export class RepeatedLines {
  private readonly windows = new Map<string, { lines: number }>();

  /**
   * @param address the client that caused the line: many lines of one address do not hide those of another
   * @param tell writes the number of lines that were left out
   * @returns whether to write the line; otherwise the line is counted
   */
  admits(level: number, text: string, address: string | undefined, tell: (leftOut: number) => void): boolean {
    const ofAddress = address === undefined || this.windows.size >= MOST_ADDRESSES ? "" : ` ${address}`;
    const key = `${level} ${text}${ofAddress}`;
    const open = this.windows.get(key);
    if (open !== undefined) return ++open.lines <= WRITTEN;
    const window = { lines: 1 };
    this.windows.set(key, window);
    const end = guarded("timer", () => {
      this.windows.delete(key);
      if (window.lines > WRITTEN) tell(window.lines - WRITTEN);
    });
    setTimeout(end, WINDOW_MS).unref();
    return true;
  }
}
