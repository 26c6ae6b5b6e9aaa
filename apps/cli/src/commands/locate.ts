/**
 * `carillon locate USER`: shows a user's gateway by the ring, the gateways of their devices, and the reason for each difference.
 */

import { readSessions, type SessionRow } from "@carillon/operations";
import type { Command } from "commander";
import { type Cluster, withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import { print } from "../output/print";
import { checkUserId, describeSessions } from "./sessions";

interface LocateDocument {
  userId: string;
  /** The ring's choice; null without gateways. */
  choice: string | null;
  /** The gateway that takes the user when the ring's choice does not answer. */
  next: string | null;
  sessions: SessionRow[];
  /** One sentence for each device that is not at the ring's choice. */
  differences: { deviceId: string; why: string }[];
}

export function locateCommand(): Command {
  return clusterCommand("locate", "show a user's gateway by the ring, and the gateways of their devices")
    .argument("<user>", "user id")
    .action(async (userId: string, { data, json }: CommonOptions) => {
      checkUserId(userId);
      const document = await withCluster(data, (cluster) => locate(cluster, userId));
      print(document, json, describe);
    });
}

async function locate(cluster: Cluster, userId: string): Promise<LocateDocument> {
  const [choice = null, next = null] = cluster.coordination.ringOf("gateway").walk(userId, 2);
  const sessions = await readSessions(cluster, userId);
  const differences = sessions
    .filter(({ gateway, live }) => gateway !== choice || !live)
    .map((session) => ({ deviceId: session.deviceId, why: explain(cluster, session, choice, next) }));
  return { userId, choice, next, sessions, differences };
}

function explain({ coordination }: Cluster, session: SessionRow, choice: string | null, next: string | null): string {
  const { gateway, boot } = session;
  const node = coordination.view.get("gateway", gateway);
  if (node === undefined) return `${gateway} is gone; the entry disappears when the device connects again`;
  if (node.boot !== boot) return `${gateway} was restarted since; the entry disappears when the device connects again`;
  if (node.state === "draining") return `${gateway} is draining; the device is being sent to ${choice}`;
  const since = coordination.view.get("gateway", choice ?? "")?.startedAt ?? 0;
  if (since > session.since)
    return `${choice} joined the ring after the device had connected; the device is being sent there`;
  if (gateway === next)
    return `${gateway} took the device as fallback when ${choice} did not answer; the device stays up to 10 minutes`;
  return `${gateway} took the device at its third try while the gateways had different rings; see carillon ring --diff`;
}

function describe({ userId, choice, next, sessions, differences }: LocateDocument): string {
  const lines = [`${userId} belongs to ${choice ?? "no gateway: none is up"}; fallback: ${next ?? "none"}\n`];
  lines.push(describeSessions(sessions));
  for (const { deviceId, why } of differences) lines.push(`${deviceId}: ${why}\n`);
  return lines.join("");
}
