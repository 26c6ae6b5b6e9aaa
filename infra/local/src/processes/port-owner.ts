import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The process that listens on a port. */
export interface PortOwner {
  pid: number;
  /** Command line, at most 100 characters. */
  command: string;
}

const LISTEN = "0A";

/**
 * Finds the process that listens on a TCP port of this machine, from /proc. Undefined when there is none, or when it belongs to
 * another user and this process may not read its entry.
 */
export function findPortOwner(port: number): PortOwner | undefined {
  const sockets = new Set(["tcp", "tcp6"].flatMap((table) => listeningSockets(table, port)));
  if (sockets.size === 0) {
    return undefined;
  }
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (openFiles(entry).some((target) => sockets.has(target))) {
      const command = readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0").join(" ").trim();
      return { pid: Number(entry), command: command.slice(0, 100) };
    }
  }
  return undefined;
}

/** Returns `socket:[inode]` of all sockets that listen on a port, from one table of /proc/net. */
function listeningSockets(table: string, port: number): string[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  try {
    return readFileSync(`/proc/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(`:${hexPort}`) && fields[3] === LISTEN)
      .map((fields) => `socket:[${fields[9]}]`);
  } catch {
    return [];
  }
}

function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((descriptor) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${descriptor}`);
      } catch {
        return "";
      }
    });
  } catch {
    return [];
  }
}
