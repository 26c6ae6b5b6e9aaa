/** State of a node. `draining` nodes are known and reachable, but no ring and no assignment contains them. */
export type NodeState = "up" | "draining";

/** The record of a node, under the key `<role>.<nodeId>`. */
export interface NodeRecord {
  nodeId: string;
  /** One life of the process: a restarted node has the same nodeId and another boot. */
  boot: string;
  role: string;
  /** Addresses by protocol: `{ws: "ws://host:port/"}`. */
  addresses: Record<string, string>;
  /** Share of the ring compared with others, > 0; 1 is normal. */
  weight: number;
  state: NodeState;
  /** Version of the software; empty when unknown. */
  version: string;
  /** Fingerprint of the settings that all nodes must share; empty when unknown. */
  fingerprint: string;
  /** ms since the Unix epoch by this node's wall clock: for people only, nothing is decided by it. */
  startedAt: number;
  /** Measurements for people and tools; a change of the load alone does not change the view. */
  load?: Record<string, number>;
}

/** The fields that a node passes to `join`; the other fields have defaults. */
export type NodeDescription = Pick<NodeRecord, "nodeId" | "boot" | "role"> & Partial<NodeRecord>;

// Dots separate the parts of a KV key, and hashring takes a colon for the beginning of a port.
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** @throws RangeError for a nodeId or role that is no name (letters, digits, _ and -), or a weight that is not above 0 */
export function completeRecord(node: NodeDescription): NodeRecord {
  for (const name of [node.nodeId, node.role]) {
    if (!NAME.test(name)) throw new RangeError(`not a name of a node or role: ${JSON.stringify(name)}`);
  }
  const weight = node.weight ?? 1;
  if (!(weight > 0 && weight <= 100))
    throw new RangeError(`the weight of ${node.nodeId} is not in (0, 100]: ${weight}`);
  return {
    ...node,
    addresses: node.addresses ?? {},
    weight,
    state: node.state ?? "up",
    version: node.version ?? "",
    fingerprint: node.fingerprint ?? "",
    startedAt: node.startedAt ?? Date.now(),
  };
}

export function nodeKey(role: string, nodeId: string): string {
  return `${role}.${nodeId}`;
}

/** @returns undefined when the value is no record, or does not belong under this key */
export function parseRecord(key: string, value: string): NodeRecord | undefined {
  try {
    const record = JSON.parse(value) as NodeRecord;
    const isSound =
      nodeKey(record.role, record.nodeId) === key &&
      typeof record.boot === "string" &&
      record.weight > 0 &&
      typeof record.addresses === "object" &&
      (record.state === "up" || record.state === "draining");
    return isSound ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Whether two records are equal for a view: in everything except `load`. */
export function sameMember(a: NodeRecord | undefined, b: NodeRecord | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const { load: _a, ...left } = a;
  const { load: _b, ...right } = b;
  return canonical(left) === canonical(right);
}

function canonical(record: Omit<NodeRecord, "load">): string {
  const sorted = (object: object) => Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([sorted({ ...record, addresses: undefined }), sorted(record.addresses)]);
}
