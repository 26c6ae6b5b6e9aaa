/** The nodes of a cluster: their records, and their own answers. */
import { roleName } from "@carillon/base";
import { ask, type ControlAnswer, type ControlQuestion, subjects } from "@carillon/bus";
import type { NodeRecord } from "@carillon/coordination";
import type { ClusterParts } from "./cluster-parts";
import { NotReached, WrongUse } from "./failures";

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
