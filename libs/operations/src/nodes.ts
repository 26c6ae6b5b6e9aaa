/** The nodes of a cluster: their records, and their own answers. */
import { roleName } from "@carillon/base";
import {
  ask,
  type Bus,
  type ControlAnswer,
  type CopyGroup,
  LAYOUT_STREAM,
  messageStreams,
  nodeControl,
  readCopyGroups,
} from "@carillon/bus";
import { COORDINATION_STREAMS, type NodeRecord } from "@carillon/coordination";
import { type DeviceSession, Sessions } from "@carillon/store";
import { type ClusterParts, NotReached, WrongUse } from "./cluster-parts";

const ANSWER_MS = 1_500;

export interface NodeRow
  extends Pick<NodeRecord, "nodeId" | "role" | "boot" | "weight" | "addresses" | "startedAt" | "version"> {
  /** `silent`: the node is registered, but does not answer. */
  state: NodeRecord["state"] | "silent";
  /** Client connections; null for other roles than gateway, and for a silent node. */
  connections: number | null;
  load: Record<string, number>;
  /** Fingerprint of the gateway's ring. */
  ring: string | null;
}

/** Returns all nodes, sorted by role and name. */
export async function listNodes(cluster: ClusterParts): Promise<NodeRow[]> {
  return Promise.all(cluster.coordination.view.nodes().map((record) => rowOf(cluster, record)));
}

/**
 * Gives a node an order and returns its answer.
 * @throws WrongUse when the node is not registered; NotReached when it does not answer
 */
export async function orderNode(
  cluster: ClusterParts,
  nodeId: string,
  order: "drain" | "undrain",
): Promise<ControlAnswer> {
  const record = cluster.coordination.view.nodes().find((node) => node.nodeId === nodeId);
  if (record === undefined) throw new WrongUse(`no node is called ${nodeId}; carillon nodes lists them`);
  return ask(cluster.bus, nodeControl.to(record.role, nodeId), { ask: order }).catch((error: Error) => {
    throw new NotReached(error.message);
  });
}

async function rowOf({ bus }: ClusterParts, record: NodeRecord): Promise<NodeRow> {
  const { nodeId, role, boot, weight, addresses, startedAt, version, state } = record;
  const answer = await ask(bus, nodeControl.to(role, nodeId), { ask: "state" }, ANSWER_MS).catch(() => null);
  return {
    role: roleName(role),
    ...{ nodeId, boot, weight, addresses, startedAt, version },
    state: answer === null ? "silent" : state,
    connections: answer?.load["connections"] ?? null,
    load: answer?.load ?? {},
    ring: answer?.ring ?? null,
  };
}

/** The NATS servers that lead the streams and consumers of a cluster. */

/**
 * Returns streams and consumers with several copies; with a single NATS server there are none.
 * @throws Error when the leader of one of them does not answer
 */
export function readLeaders(bus: Bus, partitions: number): Promise<CopyGroup[]> {
  return readCopyGroups(bus, [LAYOUT_STREAM, ...COORDINATION_STREAMS, ...messageStreams(partitions)], partitions);
}

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
