/** The number of files that a process here may have open: each connection is one, at the gateway and at the generator. */
import { readFileSync } from "node:fs";

/** Files that a process has open beside its connections. */
const OTHERS = 200;

/** @throws Error when one process may not hold this many connections; processes that this one starts have the same limit */
export function checkOpenFiles(connections: number): void {
  const [, soft = "0"] = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  const most = soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
  if (connections + OTHERS <= most) return;
  throw new Error(
    `one process would hold ${connections} connections, but may open ${most} files: raise it (ulimit -n) or ask for fewer --clients`,
  );
}
