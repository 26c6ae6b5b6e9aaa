/** The clients of a run, in pairs that write to each other. */
import type { LoadClientSpec } from "../generator/load-protocol";

/** @param own port and secret of each client */
export function pairedClients(
  count: number,
  own: (index: number) => { port: number; secret: string },
): LoadClientSpec[] {
  return Array.from({ length: count }, (_, i) => ({
    host: "127.0.0.1",
    userId: `bench-${i}`,
    peerId: `bench-${i ^ 1}`,
    ...own(i),
  }));
}
