/** `carillon sessions USER`: the connected devices, as the session registry has them. */
import { isUserId } from "@carillon/protocol";
import { type DeviceSession, Sessions } from "@carillon/store";
import type { Command } from "commander";
import { type Cluster, withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import { NotReached, WrongUse } from "../output/failures";
import { ageOf, print, tableOf } from "../output/print";

/** A registered device; `live` is false when the gateway that it names is gone or was restarted. */
export interface SessionRow extends DeviceSession {
  live: boolean;
}

export function sessionsCommand(): Command {
  return clusterCommand("sessions", "devices of a user that are connected")
    .argument("<user>", "user id")
    .action(async (userId: string, { data, json }: CommonOptions) => {
      checkUserId(userId);
      const sessions = await withCluster(data, (cluster) => readSessions(cluster, userId));
      print({ userId, sessions }, json, () => describeSessions(sessions));
    });
}

/** @throws WrongUse */
export function checkUserId(userId: string): void {
  if (!isUserId(userId)) throw new WrongUse(`not a user id: ${userId}`);
}

/** @throws NotReached when Redis does not answer */
export async function readSessions(cluster: Cluster, userId: string): Promise<SessionRow[]> {
  const { view } = cluster.coordination;
  const found = await new Sessions(await cluster.redis()).of(userId).catch((error: Error) => {
    throw new NotReached(`the session registry (Redis) does not answer: ${error.message}`);
  });
  return found
    .map((session) => ({ ...session, live: view.get("gateway", session.gateway)?.boot === session.boot }))
    .sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1));
}

export function describeSessions(sessions: SessionRow[]): string {
  if (sessions.length === 0) return "no device is connected\n";
  const rows = sessions.map(({ deviceId, platform, gateway, connection, since, live }) => {
    return [deviceId, platform, gateway, connection, ageOf(Date.now() - since), live ? "live" : "left behind"];
  });
  return tableOf(["device", "platform", "gateway", "connection", "age", ""], rows);
}
