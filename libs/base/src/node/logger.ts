import pino from "pino";
import { RepeatedLines } from "./repeated-lines";

export type Logger = pino.Logger;

/** Lines below this level are written each: whoever asks for them wants all of them. */
const COUNTED_FROM = pino.levels.values["info"]!;

/**
 * A logger that writes one JSON line per event to standard output, each with role and node. Of lines with the same text
 * five are written in 10 s, of each `address` where they have one; then `leftOut` says how many there were besides.
 * @param level least level that is written
 */
export function createLogger(role: string, nodeId: string, level: string): Logger {
  const destination = pino.destination({ fd: 1, sync: false, minLength: 0 });
  // The reader of our output may die before us; a process that drains must not fall over its own log line.
  destination.on("error", () => {});
  const base = { role, node: nodeId };
  return pino({ level, base, timestamp: pino.stdTimeFunctions.isoTime, hooks: countRepeated() }, destination);
}

/** A logger that writes nothing, for tests and tools. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}

/** Writes a step on the way of a message, with what names the message. */
export type Trace = (fields: object, step: string) => void;

/** @returns undefined unless lines of level debug are written: nobody else pays for them */
export function traceOf(logger: Logger): Trace | undefined {
  return logger.isLevelEnabled("debug") ? (fields, step) => logger.debug(fields, step) : undefined;
}

/** For pino: what is done with a line before it is written. */
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

/** Where somebody is who has made a line necessary: an `address`, or a `remote`, which has a port. */
function addressIn(fields: unknown): string | undefined {
  const { address, remote } = Object(fields) as { address?: unknown; remote?: unknown };
  if (typeof address === "string") return address;
  return typeof remote === "string" ? remote.slice(0, remote.lastIndexOf(":")) : undefined;
}
