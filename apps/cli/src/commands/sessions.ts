/** `carillon sessions USER`: lists the connected devices of a user from the session registry. */
import { readSessions, type SessionRow } from "@carillon/operations";
import { isUserId } from "@carillon/protocol";
import type { Command } from "commander";
import { withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import { WrongUse } from "../output/failures";
import { ageOf, print, tableOf } from "../output/print";

export function sessionsCommand(): Command {
  return clusterCommand("sessions", "list the connected devices of a user")
    .argument("<user>", "user id")
    .action(async (userId: string, { data, json }: CommonOptions) => {
      checkUserId(userId);
      const sessions = await withCluster(data, (cluster) => readSessions(cluster, userId));
      print({ userId, sessions }, json, (document) => describeSessions(document.sessions));
    });
}

/** @throws WrongUse */
export function checkUserId(userId: string): void {
  if (!isUserId(userId)) throw new WrongUse(`not a user id: ${userId}`);
}

export function describeSessions(sessions: SessionRow[]): string {
  if (sessions.length === 0) return "no device is connected\n";
  const rows = sessions.map(({ deviceId, platform, gateway, connection, since, live }) => {
    return [deviceId, platform, gateway, connection, ageOf(Date.now() - since), live ? "live" : "left behind"];
  });
  return tableOf(["device", "platform", "gateway", "connection", "age", ""], rows);
}
