/** Watches whether servers were disturbed: a process ended, or the log has an error. */
import { open } from "node:fs/promises";
import path from "node:path";
import type { TestCluster } from "@carillon/testkit";

/** Lines of these levels report a fault of Carillon: error and fatal. */
const FAULT = /^\{"level":[56]0,/;
/** Maximum number of lines to show. Lines of lower levels, about refused requests or other servers, report no fault. */
const MOST_LINES = 5;

export class ServerWatch {
  private readonly pids: string;
  private readonly file: string;
  private read = 0;
  private rest = "";

  constructor(private readonly cluster: TestCluster) {
    this.pids = pidsOf(cluster);
    this.file = path.join(cluster.running.directory, "logs", "carillon.log");
  }

  /** @returns the fault since the last look, or undefined */
  async look(): Promise<string | undefined> {
    const now = pidsOf(this.cluster);
    if (now !== this.pids) return `a process ended:\n  before ${this.pids}\n  now    ${now}`;
    const faults = (await this.newLines()).filter((line) => FAULT.test(line));
    return faults.length === 0 ? undefined : `the log says:\n${faults.slice(0, MOST_LINES).join("\n")}`;
  }

  private async newLines(): Promise<string[]> {
    const file = await open(this.file);
    try {
      const { size } = await file.stat();
      const bytes = Buffer.alloc(Math.max(0, size - this.read));
      await file.read(bytes, 0, bytes.length, this.read);
      this.read = size;
      const lines = (this.rest + bytes.toString()).split("\n");
      this.rest = lines.pop()!;
      return lines;
    } finally {
      await file.close();
    }
  }
}

function pidsOf(cluster: TestCluster): string {
  const { gateways, workers, archivers, apis } = cluster.info();
  return [...gateways, ...workers, ...archivers, ...apis].map(({ nodeId, pid }) => `${nodeId}=${pid}`).join(" ");
}
