import pino from "pino";
import { RepeatedLines } from "./repeated-lines";

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
