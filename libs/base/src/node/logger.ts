import pino from "pino";
import { RepeatedLines } from "./repeated-lines";

export type Logger = pino.Logger;

/** Lines below this level are written each: whoever asks for them wants all of them. */
const COUNTED_FROM = pino.levels.values["info"]!;

/**
 * A logger that writes one JSON line per event to standard output, each with role and node. Of lines with the same text
 * five are written in 10 s, then `leftOut` says how many there were besides.
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
      const tell = (leftOut: number) => method.call(this, { leftOut }, String(text));
      if (level < COUNTED_FROM || text === undefined || lines.admits(level, String(text), tell)) {
        method.apply(this, args);
      }
    },
  };
}
