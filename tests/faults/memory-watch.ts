import { readFileSync } from "node:fs";
import type { RunningCluster } from "@carillon/local";
import type { Peak } from "@carillon/testkit";

const EVERY_MS = 2_000;
const PAGE_BYTES = 4_096;
const MIB = 1024 * 1024;
/** Limit of a process's resident memory, far above its need and far below a leak under load. */
const MOST_MIB = 600;

/** Watches the memory of Carillon's processes during a run. */
export class MemoryWatch {
  private readonly most = new Map<string, number>();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly cluster: RunningCluster) {
    this.timer = setInterval(() => this.look(), EVERY_MS);
  }

  get peaks(): Peak[] {
    return [...this.most].map(([nodeId, most]) => ({ what: `memory of ${nodeId}, MiB`, most, bound: MOST_MIB }));
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const { gateways, workers, archivers, apis } = this.cluster.info();
    for (const { nodeId, pid } of [...gateways, ...workers, ...archivers, ...apis]) {
      try {
        const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
        this.most.set(nodeId, Math.max(this.most.get(nodeId) ?? 0, Math.round((pages * PAGE_BYTES) / MIB)));
      } catch {
        // The process has just died.
      }
    }
  }
}
