import { ROLES, retryFor } from "@carillon/base";
import type { NatsConnection } from "@nats-io/transport-node";
import { Bucket } from "./kv/bucket";
import { Lease, type LeaseOptions } from "./lease/lease";
import { PartitionBoard } from "./lease/partition-board";
import { Listeners } from "./listeners";
import type { Logger } from "./logger";
import { Heartbeats } from "./membership/heartbeats";
import { Member } from "./membership/member";
import { completeRecord, type NodeDescription } from "./membership/node-record";
import { assignPartitions, buildRing, type Ring } from "./ring/ring";
import { type Timings, timingsFrom } from "./timings";
import { ClusterView } from "./view/cluster-view";

export interface CoordinationOptions extends Partial<Timings> {
  /** Belongs to the caller: `close` leaves it open. */
  connection: NatsConnection;
  logger: Logger;
  /** Copies of the buckets in a NATS cluster; default 1. */
  replicas?: number;
  /** Roles whose members suspect each other by heartbeats; default logic and archiver. */
  heartbeatRoles?: readonly string[];
}

/** Number of remembered assignments; few nodes join or leave at a time. */
const MOST_ASSIGNMENTS = 16;

/** Maximum time of the tries to open the buckets, ms: a NATS cluster that lost its leader elects another one in 4 to 9 s. */
const ELECTION_MS = 15_000;

/** The streams of the buckets. */
export const COORDINATION_STREAMS: readonly string[] = ["KV_nodes", "KV_partitions", "KV_leases"];

interface Buckets {
  nodes: Bucket;
  partitions: Bucket;
  leases: Bucket;
}

/**
 * Opens the buckets `nodes`, `partitions` and `leases`, creates missing ones, and begins to follow the view.
 * @throws Error when NATS does not answer
 */
export async function openCoordination(options: CoordinationOptions): Promise<Coordination> {
  const timings = timingsFrom(options);
  const { connection, replicas = 1 } = options;
  const { requestMs, ttlMs } = timings;
  const open = (name: string, ttl?: number) => {
    const bucket = { name, replicas, requestMs, ...(ttl !== undefined && { ttlMs: ttl }) };
    return retryFor(ELECTION_MS, () => Bucket.open(connection, bucket));
  };
  const [nodes, partitions, leases] = await Promise.all([open("nodes", ttlMs), open("partitions"), open("leases")]);
  return new Coordination(options, timings, { nodes, partitions, leases });
}

/** Membership, view, ring, assignment, leases: the README of the package says what each promises. */
export class Coordination {
  readonly view: ClusterView;
  readonly heartbeats: Heartbeats;
  readonly partitions: PartitionBoard;
  private readonly listeners = new Listeners();
  private readonly members = new Set<Member>();
  private readonly leases = new Set<Lease>();
  private readonly rings = new Map<string, { version: number; ring: Ring }>();
  /** Cached assignments by their input. */
  private readonly assignments = new Map<string, Map<number, string>>();

  /** @internal */
  constructor(
    private readonly options: CoordinationOptions,
    private readonly timings: Timings,
    private readonly buckets: Buckets,
  ) {
    const { connection, logger, heartbeatRoles: roles = [ROLES.worker, ROLES.archiver] } = options;
    const { heartbeatMs, suspectMs } = timings;
    this.view = new ClusterView(buckets.nodes, connection, logger, timings);
    const nodes = (role: string) => this.view.nodes(role);
    this.heartbeats = new Heartbeats({ connection, heartbeatMs, suspectMs, roles, nodes });
    this.partitions = new PartitionBoard(buckets.partitions);
    this.view.onChange(() => this.listeners.notify());
    this.heartbeats.onChange(() => this.listeners.notify());
  }

  /**
   * Makes this process a node of the cluster; see `Member.join`.
   * @throws RangeError for an impossible nodeId, role or weight
   */
  async join(node: NodeDescription): Promise<Member> {
    const { connection, logger } = this.options;
    const { heartbeats, timings } = this;
    const context = { bucket: this.buckets.nodes, connection, logger, heartbeats, timings };
    const member = await Member.join(completeRecord(node), context);
    this.members.add(member);
    return member;
  }

  /** Returns the ring of a role's nodes that are up; it is the same object until the view changes. */
  ringOf(role: string): Ring {
    const { version } = this.view;
    let cached = this.rings.get(role);
    if (cached?.version !== version) {
      cached = { version, ring: buildRing(this.view.up(role)) };
      this.rings.set(role, cached);
    }
    return cached.ring;
  }

  /**
   * Returns the node that should own each of `count` partitions, computed from the role's nodes that are up and not suspected;
   * empty without such nodes. Nodes see changes at different moments, so it says who should try, not who may write.
   */
  assignment(role: string, count: number): Map<number, string> {
    return this.assign(role, count, (nodeId) => this.heartbeats.suspected(role, nodeId));
  }

  /** Returns the assignment that follows if nodes with a missed heartbeat do not come back, so that successors can prepare. */
  assignmentToCome(role: string, count: number): Map<number, string> {
    return this.assign(role, count, (nodeId) => this.heartbeats.missed(role, nodeId));
  }

  private assign(role: string, count: number, isOut: (nodeId: string) => boolean): Map<number, string> {
    const nodes = this.view.up(role).filter(({ nodeId }) => !isOut(nodeId));
    const basis = `${role} ${count} ${nodes.map(({ nodeId, weight }) => `${nodeId}*${weight}`).join(" ")}`;
    let assignment = this.assignments.get(basis);
    if (assignment === undefined) {
      assignment = assignPartitions(count, nodes);
      if (this.assignments.size >= MOST_ASSIGNMENTS) this.assignments.clear();
      this.assignments.set(basis, assignment);
    }
    return assignment;
  }

  /** Calls the listener after each change of the view or of suspicion. @returns an unsubscribe function */
  onChange(callback: () => void): () => void {
    return this.listeners.add(callback);
  }

  /**
   * Creates a lease, which is not acquired yet.
   * @param name letters, digits, `_`, `-`, `.`
   * @param holder unique for this life of the process: nodeId and boot
   */
  lease(name: string, holder: string, options?: LeaseOptions): Lease {
    const lease = new Lease(this.buckets.leases, name, holder, this.options.logger, options);
    this.leases.add(lease);
    return lease;
  }

  /** Ends all timers, watches and subscriptions. The records of members that did not leave before will expire. */
  async close(): Promise<void> {
    for (const part of [...this.members, ...this.leases]) part.end();
    this.heartbeats.close();
    await this.view.close();
    this.listeners.clear();
  }
}
