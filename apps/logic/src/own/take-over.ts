/**
 * Taking a partition over, safe against any pause of the owner before: what it does not know is decided by the log.
 *
 * 1. Fold the log: since the archive's position, and at least 60 s back, so that the state knows every number that
 *    the archive does not and every id of the last minute. Without an answer of MySQL: all that the log holds.
 * 2. Append an epoch record with the expected last sequence. From then on the former owner's appends are refused.
 *    If somebody else wrote first, the partition is his, and everything begins again later.
 * 3. Only then take requests and go on with the fan-out from where it stood.
 */
import { withDeadline } from "@carillon/base";
import {
  type Bus,
  endOfRecord,
  findRecordSince,
  type LogState,
  LogWriter,
  readLog,
  readLogState,
  recordSeqOf,
} from "@carillon/bus";
import { foldRecord, newPartitionState, type PartitionState } from "../partition-state";

/** The idempotency cache reaches at least this far back, ms. */
export const CACHE_MS = 60_000;

const ARCHIVE_ANSWER_MS = 500;

export interface TakeOverOptions {
  bus: Bus;
  partition: number;
  nodeId: string;
  boot: string;
  /** Position of the archive: log position, or -1 when nothing is archived. */
  archivePosition(): Promise<number>;
  /** Position up to which inboxes are filled, as Redis knows it. */
  fanoutPosition(): Promise<number | undefined>;
}

export interface TakenPartition {
  state: PartitionState;
  writer: LogWriter;
  /** Where the fan-out goes on. */
  fanout: number;
}

/** The log does not fit the archive: it was replaced or cut. An operator has to decide. */
export class LogUnfit extends Error {
  constructor(partition: number, why: string) {
    super(`the log of partition ${partition} cannot be used: ${why}`);
    this.name = "LogUnfit";
  }
}

/** @throws PartitionLost when another worker was faster, LogUnfit */
export async function takeOver(options: TakeOverOptions): Promise<TakenPartition> {
  const { bus, partition, nodeId, boot } = options;
  const log = await readLogState(bus, partition);
  const archived = await withDeadline(options.archivePosition(), ARCHIVE_ANSWER_MS, "the archive's position").catch(
    () => undefined,
  );
  checkFit(partition, log, archived);
  const state = await foldTail(bus, partition, log, archived);
  const fanout = await startOfFanOut(options, log);
  const epoch = state.epoch + 1;
  const writer = new LogWriter({ bus, partition, epoch, boot, lastSeq: log.lastSeq });
  const body = {
    kind: "epoch" as const,
    worker: nodeId,
    boot,
    attempt: state.attempt + 1,
    queueCreated: log.queueCreated,
    logCreated: log.created,
  };
  const progress = { covered: state.covered, fanout };
  const seq = await writer.append(body, progress);
  foldRecord(state, {
    seq,
    storedAt: bus.clock.now(),
    header: { epoch, boot, append: 1, ...progress },
    body,
  });
  return { state, writer, fanout };
}

function checkFit(partition: number, log: LogState, archived: number | undefined): void {
  if (archived === undefined) return;
  if (archived < 0) {
    // What is purged was archived; an archive that knows nothing of it is another one.
    if (log.firstSeq > 1) throw new LogUnfit(partition, `it begins at record ${log.firstSeq}, the archive is empty`);
    return;
  }
  const archivedRecord = recordSeqOf(archived);
  if (archivedRecord > log.lastSeq) {
    throw new LogUnfit(partition, `it ends at record ${log.lastSeq}, the archive is at ${archivedRecord}`);
  }
  if (log.firstSeq > archivedRecord + 1) {
    throw new LogUnfit(partition, `it begins at record ${log.firstSeq}, the archive is at ${archivedRecord}`);
  }
}

async function foldTail(
  bus: Bus,
  partition: number,
  log: LogState,
  archived: number | undefined,
): Promise<PartitionState> {
  const minuteAgo = await findRecordSince(bus, partition, bus.clock.now() - CACHE_MS, log);
  // The last record is always folded: its header tells epoch and covered.
  const from = Math.max(
    log.firstSeq,
    Math.min(minuteAgo, log.lastSeq, archived === undefined ? log.firstSeq : recordSeqOf(Math.max(archived, 0)) + 1),
  );
  const state = newPartitionState(partition, 0);
  state.archived = archived ?? endOfRecord(log.firstSeq - 1);
  let first = true;
  await readLog(bus, partition, from, log.lastSeq, (record) => {
    if (first && record.seq > 1) state.dedupe.beginAt(record.storedAt);
    first = false;
    foldRecord(state, record);
  });
  return state;
}

/** Redis's own word. Without it, a minute back: what is older nobody waits for at a gateway, and inboxes are new. */
async function startOfFanOut(options: TakeOverOptions, log: LogState): Promise<number> {
  const stored = await options.fanoutPosition().catch(() => undefined);
  // A position beyond the log is from another life of it: a restored one.
  if (stored !== undefined && recordSeqOf(stored) <= log.lastSeq) return stored;
  const { bus, partition } = options;
  return endOfRecord((await findRecordSince(bus, partition, bus.clock.now() - CACHE_MS, log)) - 1);
}
