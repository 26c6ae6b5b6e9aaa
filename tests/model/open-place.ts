import { startTestCluster, type TestCluster } from "@carillon/testkit";
import { runCarillon } from "../journeys/fixtures/run-carillon";
import type { Place } from "./run-operations";

/** Returns names and pids of all processes: a restarted process has another pid. */
function processes(cluster: TestCluster): string[] {
  const { gateways, workers, archivers, apis } = cluster.info();
  return [...gateways, ...workers, ...archivers, ...apis].map(({ nodeId, pid }) => `${nodeId} (pid ${pid})`);
}

/** Starts a cluster where only friends may write to each other, and a group of three is a large group. */
export async function openPlace(): Promise<Place> {
  const cluster = await startTestCluster({
    env: {
      CARILLON_POLICY_STRANGERS: "friends-only",
      CARILLON_GROUPS_WRITE_FANOUT_MAX: "3",
      CARILLON_RECALL_WINDOW_SECONDS: "3600",
    },
  });
  const made = await runCarillon(cluster, "keys", "create", "model", "--scopes", "users,tokens");
  if (made.code !== 0) throw new Error(`no API key: ${made.stderr}`);
  const pids = processes(cluster);
  return {
    cluster,
    key: made.document.key,
    whatDied: () => pids.find((one, i) => one !== processes(cluster)[i]),
  };
}
