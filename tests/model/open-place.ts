import path from "node:path";
import { runProgram, startTestCluster } from "@carillon/testkit";
import type { Place } from "./run-operations";

/** A cluster where only friends may write to each other, and three are too many for inboxes. */
export async function openPlace(): Promise<Place> {
  const cluster = await startTestCluster({
    env: {
      CARILLON_POLICY_STRANGERS: "friends-only",
      CARILLON_GROUPS_WRITE_FANOUT_MAX: "3",
      CARILLON_RECALL_WINDOW_SECONDS: "3600",
    },
  });
  const program = path.join(__dirname, "..", "..", "scripts", "carillon.mjs");
  const directory = cluster.running.directory;
  const made = await runProgram([
    program,
    "keys",
    "create",
    "model",
    "--scopes",
    "users,tokens",
    "--json",
    "--data",
    directory,
  ]);
  if (made.code !== 0) throw new Error(`no API key: ${made.stderr}`);
  return { cluster, key: JSON.parse(made.stdout).key };
}
