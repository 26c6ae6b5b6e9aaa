import { type DeviceSession, Sessions } from "@carillon/store";
import type { ClusterParts } from "./cluster-parts";
import { NotReached } from "./failures";

/** A registered device; `live` is false when its gateway is gone or was restarted. */
export interface SessionRow extends DeviceSession {
  live: boolean;
}

/** Returns the connected devices of a user from the session registry. @throws NotReached when Redis does not answer */
export async function readSessions(cluster: ClusterParts, userId: string): Promise<SessionRow[]> {
  const { view } = cluster.coordination;
  const found = await new Sessions(await cluster.redis()).of(userId).catch((error: Error) => {
    throw new NotReached(`the session registry (Redis) does not answer: ${error.message}`);
  });
  return found
    .map((session) => ({ ...session, live: view.get("gateway", session.gateway)?.boot === session.boot }))
    .sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1));
}
