import { createServer } from "node:net";

/** Whether a process can listen on this TCP port of the loopback address now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * Finds free TCP ports for private servers, at random below the range from which the kernel serves outgoing connections (32768
 * and up), so that a stopped server finds its port still free when it starts again.
 */
export async function findFreePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count; attempt++) {
    if (attempt > 2000) {
      throw new Error("no free TCP ports between 22000 and 32000");
    }
    const port = 22_000 + Math.floor(Math.random() * 10_000);
    if (!ports.has(port) && (await isPortFree(port))) {
      ports.add(port);
    }
  }
  return [...ports];
}

/** Returns the first of `size` successive free ports. */
export async function findFreePortBlock(size: number): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const first = 22_000 + 50 * Math.floor(Math.random() * 200);
    const free = await Promise.all(Array.from({ length: size }, (_, i) => isPortFree(first + i)));
    if (free.every(Boolean)) {
      return first;
    }
  }
  throw new Error(`no ${size} successive free TCP ports between 22000 and 32000`);
}
