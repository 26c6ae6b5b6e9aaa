/** The nodes of a cluster: what they have registered, and what each says of itself when asked. */
import { roleName } from "@carillon/base";
import { ask, type ControlAnswer, type ControlQuestion, subjects } from "@carillon/bus";
import type { NodeRecord } from "@carillon/coordination";
import type { ClusterParts } from "./cluster-parts";
import { NotReached, WrongUse } from "./failures";

const ANSWER_MS = 1_500;

export interface NodeRow
  extends Pick<NodeRecord, "nodeId" | "role" | "boot" | "weight" | "addresses" | "startedAt" | "version"> {
  /** `silent`: registered, but does not answer. */
  state: NodeRecord["state"] | "silent";
  /** Client connections; null for other roles than gateway, and when it is silent. */
  connections: number | null;
  load: Record<string, number>;
  /** Fingerprint of the ring as the gateway sees it. */
  ring: string | null;
}

/** All nodes, by role and name. */
export async function listNodes(cluster: ClusterParts): Promise<NodeRow[]> {
  return Promise.all(cluster.coordination.view.nodes().map((record) => rowOf(cluster, record)));
}

/**
 * Gives a node an order and returns what it said.
 * @throws WrongUse when no such node is registered; NotReached when it does not answer
 */
export async function orderNode(
  cluster: ClusterParts,
  nodeId: string,
  order: "drain" | "undrain",
): Promise<ControlAnswer> {
  const record = cluster.coordination.view.nodes().find((node) => node.nodeId === nodeId);
  if (record === undefined) throw new WrongUse(`no node is called ${nodeId}; carillon nodes lists them`);
  const subject = subjects.control(record.role, nodeId);
  return ask<ControlQuestion, ControlAnswer>(cluster.bus, subject, { ask: order }).catch((error: Error) => {
    throw new NotReached(error.message);
  });
}

async function rowOf({ bus }: ClusterParts, record: NodeRecord): Promise<NodeRow> {
  const { nodeId, role, boot, weight, addresses, startedAt, version, state } = record;
  const subject = subjects.control(role, nodeId);
  const answer = await ask<ControlQuestion, ControlAnswer>(bus, subject, { ask: "state" }, ANSWER_MS).catch(() => null);
  return {
    role: roleName(role),
    ...{ nodeId, boot, weight, addresses, startedAt, version },
    state: answer === null ? "silent" : state,
    connections: answer?.load["connections"] ?? null,
    load: answer?.load ?? {},
    ring: answer?.ring ?? null,
  };
}
