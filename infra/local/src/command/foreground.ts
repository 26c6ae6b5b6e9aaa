import type { ClusterInfo } from "../supervisor/cluster-file";
import type { ClusterOptions } from "../supervisor/cluster-options";
import { type RunningCluster, startCluster } from "../supervisor/start-cluster";

interface Stopping {
  /** Aborting it stops the cluster. */
  until?: AbortSignal | undefined;
  /** Whether SIGHUP opens the log again, as in programs without a terminal, instead of stopping the cluster. */
  survivesHangUp?: boolean;
}

/**
 * Supervises a cluster in this process until SIGINT, SIGTERM, SIGHUP or the end of `until` stops it. A second signal during the
 * stop changes nothing: a terminal and npm may each send one.
 *
 * @param onReady called once when the cluster is ready
 * @returns when the cluster is stopped
 * @throws the errors of `startCluster`
 */
export async function superviseUntilStopped(
  options: ClusterOptions,
  onReady: (info: ClusterInfo) => void,
  { until, survivesHangUp = false }: Stopping = {},
): Promise<void> {
  const asked = new AbortController();
  const ask = () => asked.abort(new Error("stopped while starting"));
  let cluster: RunningCluster | undefined;
  process.on("SIGINT", ask);
  process.on("SIGTERM", ask);
  process.on("SIGHUP", survivesHangUp ? () => cluster?.reopenLog() : ask);
  until?.addEventListener("abort", ask);
  // The terminal or pipe of the output may end before this process.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  cluster = await startCluster(options, asked.signal);
  onReady(cluster.info());
  const keepAlive = setInterval(() => {}, 60_000);
  await new Promise<void>((resolve) => {
    if (asked.signal.aborted) {
      resolve();
    }
    asked.signal.addEventListener("abort", () => resolve());
  });
  await cluster.stop();
  clearInterval(keepAlive);
}
