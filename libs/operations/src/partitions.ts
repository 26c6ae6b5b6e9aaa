/** The partitions of a cluster: their owners, and the work that waits. */
import { ROLES } from "@carillon/base";
import { askOwner, readLayout, readLogState, readQueueLength, recordSeqOf } from "@carillon/bus";
import type { PostedPartition } from "@carillon/coordination";
import type { ClusterParts } from "./cluster-parts";

const ANSWER_MS = 1_500;

export interface PartitionRow {
  partition: number;
  /** The worker that answers as owner; otherwise the last one on the partition board; null: there never was one. */
  owner: string | null;
  /** Whether the owner answered. */
  answers: boolean;
  epoch: number | null;
  /** Number of batches that wait in the queue. */
  queueLength: number;
  /** Records in the log, and their bytes. */
  logLength: number;
  logBytes: number;
  /** Everything in the queue up to this number is in the log or was answered. */
  covered: number | null;
  /** Waiting time of the oldest event that is not delivered, ms; null: the owner does not say it. */
  deliveryLagMs: number | null;
  /** Whether deliveries fail, or wait for a store that does not answer. */
  deliveryStalled: boolean;
  /** Requests that wait for an answer of MySQL. */
  parked: number;
  archiver: string | null;
  /** Records that MySQL does not have yet; null while MySQL is away. */
  archiveLag: number | null;
}

/** @throws Error when the cluster is not initialised */
export async function listPartitions(cluster: ClusterParts): Promise<PartitionRow[]> {
  const { partitions } = await readLayout(cluster.bus);
  const [posted, positions] = await Promise.all([cluster.coordination.partitions.all(), archivePositions(cluster)]);
  return Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      const find = (role: string) => posted.find((one) => one.role === role && one.partition === partition);
      return rowOf(cluster, partition, find(ROLES.worker), find("archiver"), positions);
    }),
  );
}

async function rowOf(
  { bus }: ClusterParts,
  partition: number,
  worker: PostedPartition | undefined,
  archiver: PostedPartition | undefined,
  positions: Map<number, number> | undefined,
): Promise<PartitionRow> {
  const [queueLength, log, owner] = await Promise.all([
    readQueueLength(bus, partition),
    readLogState(bus, partition),
    askOwner(bus, partition, { ask: "state" }, ANSWER_MS).catch(() => undefined),
  ]);
  const archived = Math.max(0, recordSeqOf(positions?.get(partition) ?? -1));
  return {
    partition,
    owner: owner?.nodeId ?? worker?.owner ?? null,
    answers: owner !== undefined,
    epoch: owner?.epoch ?? worker?.epoch ?? null,
    queueLength,
    logLength: log.lastRecord - log.firstRecord + 1,
    logBytes: log.bytes,
    covered: owner?.covered ?? null,
    deliveryLagMs: owner?.fanoutLagMs ?? null,
    deliveryStalled: owner?.fanoutStalled ?? false,
    parked: owner?.parked ?? 0,
    archiver: archiver?.owner ?? null,
    archiveLag: positions === undefined ? null : Math.max(0, log.lastRecord - archived),
  };
}

async function archivePositions(cluster: ClusterParts): Promise<Map<number, number> | undefined> {
  try {
    const found = await (await cluster.mysql()).facts.archivePositions();
    return new Map([...found].map(([partition, { position }]) => [partition, position]));
  } catch {
    // While MySQL is away, the other columns are still useful.
    return undefined;
  }
}
