import type { ClusterInfo } from "../supervisor/cluster-file";
import type { ClusterOptions } from "../supervisor/cluster-options";
import { type RunningCluster, startCluster } from "../supervisor/start-cluster";

interface Stopping {
  /** Its end stops the cluster. */
  until?: AbortSignal | undefined;
  /** Whether SIGHUP opens the log anew, as programs without a terminal do, instead of stopping the cluster. */
  survivesHangUp?: boolean;
}

/**
 * Supervises a cluster in this process until it is told to stop by SIGINT, SIGTERM or SIGHUP, or by the end of
 * `until`. A signal that comes again while stopping changes nothing: a terminal and npm may each send one.
 *
 * @param onReady told once when all is ready.
 * @returns when all is stopped.
 * @throws what `startCluster` throws.
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
  // Output may go to a terminal or pipe that ends before we do.
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
