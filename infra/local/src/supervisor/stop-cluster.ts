import { rmSync } from "node:fs";
import { endProcess, signalProcess, waitUntilGone } from "../processes/identity";
import { clusterFiles, findSupervisor } from "./cluster-file";
import { endLeftovers } from "./leftovers";

/** Maximum time of a stop: draining four roles takes at most 10 s each, the stores 50 s together. */
const STOP_TIMEOUT_MS = 100_000;

/**
 * Stops the cluster of a data directory through its supervisor. When the supervisor is dead, it stops the processes that it left.
 *
 * @returns whether anything ran
 */
export async function stopCluster(directory: string, say: (line: string) => void): Promise<boolean> {
  const supervisor = findSupervisor(directory);
  if (supervisor !== undefined) {
    const { identity } = supervisor;
    say(`stopping the cluster in ${directory} (supervisor pid ${identity.pid})`);
    signalProcess(identity, "SIGTERM");
    if (!(await waitUntilGone(identity, STOP_TIMEOUT_MS))) {
      say("the supervisor does not exit; it is killed now");
      await endProcess(identity, 0, "SIGKILL");
    }
  }
  const left = await endLeftovers(directory, say);
  rmSync(clusterFiles.cluster(directory), { force: true });
  rmSync(clusterFiles.supervisor(directory), { force: true });
  return supervisor !== undefined || left > 0;
}
