import pino from "pino";

export type Logger = pino.Logger;

/**
 * A logger that writes one JSON line per event to standard output, each with role and node.
 * @param level least level that is written
 */
export function createLogger(role: string, nodeId: string, level: string): Logger {
  const destination = pino.destination({ fd: 1, sync: false, minLength: 0 });
  // The reader of our output may die before us; a process that drains must not fall over its own log line.
  destination.on("error", () => {});
  return pino({ level, base: { role, node: nodeId }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** A logger that writes nothing, for tests and tools. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}
