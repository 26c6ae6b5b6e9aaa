import { cpSync } from "node:fs";
import { retryFor } from "@carillon/base";
import { purgeLog, readLayout } from "@carillon/bus";
import type { Fault } from "./fault";
import { bringBack, natsData } from "./strange-stores";

/** Maximum time until the machine's own connection to NATS is back. */
const BACK_MS = 30_000;

/**
 * An operator purges all logs. Workers must refuse them: the last record, which is gone, tells where a log continues. Workers
 * are paused while the true logs are kept aside, and die afterwards, so that nothing is acknowledged in between.
 */
export const purgedLogs: Fault = {
  async strike(stage) {
    const { cluster, bus } = stage;
    const data = natsData(stage);
    const kept = `${data}.kept`;
    const workers = cluster.info().workers.flatMap(({ pid }) => pid ?? []);
    for (const pid of workers) process.kill(pid, "SIGSTOP");
    await cluster.stopNode("nats");
    cpSync(data, kept, { recursive: true });
    await cluster.startNode("nats");
    const { partitions } = await retryFor(BACK_MS, () => readLayout(bus));
    for (let partition = 0; partition < partitions; partition++)
      await retryFor(BACK_MS, () => purgeLog(bus, partition));
    for (const pid of workers) process.kill(pid, "SIGKILL");
    return { on: "nats, logs purged", at: performance.now(), heal: () => bringBack(stage, data, kept) };
  },
};
