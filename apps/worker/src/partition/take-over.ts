/**
 * A worker takes a partition over, safe against any pause of the owner before: the log decides.
 *
 * 1. Fold the log: since the archive's position, and at least 60 s back, so that the state knows every number that
 *    the archive does not and every id of the last minute. Without an answer of MySQL: all that the log holds. When the
 *    owner before is alive, folding begins while that owner still works; its later records are folded at the end.
 * 2. If the owner before died while it tried a single request, put that request aside (see poison.ts).
 * 3. Append an epoch record with the expected last sequence. From then on the former owner's appends are refused.
 *    If another worker wrote first, the partition belongs to that worker, and all of this begins again later.
 * 4. Only then take requests, and go on with answers and fan-out from where they stood.
 */
import { parseSnowflake, withDeadline } from "@carillon/base";
import {
  type Bus,
  type DeadRequest,
  endOfRecord,
  findRecordSince,
  type LogRecord,
  type LogState,
  LogWriter,
  readLog,
  readLogState,
  recordSeqOf,
} from "@carillon/bus";
import { decodeEvent } from "@carillon/protocol";
import { ACCEPTED_IDS_MS } from "../timings";
import { withDead } from "./poison";
import { foldRecord, newPartitionState, type PartitionState } from "./state";

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
  /** Puts aside the request at that place of the queue; undefined when it is there no more. */
  putAside(seq: number, index: number, attempts: number): Promise<DeadRequest | undefined>;
}

export interface TakenPartition {
  state: PartitionState;
  writer: LogWriter;
  /** Where answers and fan-out go on. */
  fanout: number;
}

/** The log does not fit the archive or the queue: one of them was replaced or cut. An operator has to decide. */
export class LogUnfit extends Error {
  constructor(partition: number, why: string) {
    super(`the log of partition ${partition} cannot be used: ${why}`);
    this.name = "LogUnfit";
  }
}

/** Folds the log as it is now, for a take-over that comes soon. @throws LogUnfit */
export async function foldEarly(options: TakeOverOptions): Promise<PartitionState> {
  const { bus, partition } = options;
  const { log, archived } = await readBoth(options);
  checkFit(partition, log, archived);
  return foldTail(bus, partition, log, archived);
}

/**
 * @param early what foldEarly gave; the rest is folded on top of it
 * @throws PartitionLost when another worker was faster, LogUnfit
 */
export async function takeOver(options: TakeOverOptions, early?: PartitionState): Promise<TakenPartition> {
  const { bus, partition, nodeId, boot } = options;
  const { log, archived } = await readBoth(options);
  checkFit(partition, log, archived);
  const isUsable = early !== undefined && early.lastRecord >= log.firstRecord - 1 && early.lastRecord <= log.lastRecord;
  const state = isUsable ? early : await foldTail(bus, partition, log, archived);
  await readLog(bus, partition, state.lastRecord + 1, log.lastRecord, (record) => foldRecord(state, record));
  if (state.streamLife !== undefined && state.streamLife !== log.streamLife) {
    throw new LogUnfit(partition, "its queue or the log itself was made again since the last record");
  }
  const fanout = await startOfFanOut(options, log, state);
  const { poison } = state;
  const killer = poison.trying && (await options.putAside(poison.trying.seq, poison.trying.index, poison.attempt));
  const ownerEpoch = state.ownerEpoch + 1;
  const writer = new LogWriter({
    bus,
    partition,
    ownerEpoch,
    boot,
    streamLife: log.streamLife,
    lastRecord: log.lastRecord,
    room: log.room,
  });
  const dead = killer === undefined ? poison.dead : withDead(poison, killer);
  const body = { kind: "epoch" as const, worker: nodeId, boot, attempt: poison.attempt + 1, dead };
  const progress = { covered: state.covered, fanout };
  const seq = await writer.append(body, progress);
  const header = { ownerEpoch, boot, append: 1, ...progress, streamLife: log.streamLife };
  foldRecord(state, { seq, storedAt: bus.clock.now(), header, body });
  return { state, writer, fanout };
}

/** The log is never older than the archive's position: a record may be appended and archived while both are read. */
async function readBoth(options: TakeOverOptions): Promise<{ log: LogState; archived: number | undefined }> {
  const { bus, partition } = options;
  const [log, archived] = await Promise.all([readLogState(bus, partition), archivedOf(options)]);
  const isOvertaken = archived !== undefined && recordSeqOf(archived) > log.lastRecord;
  return { log: isOvertaken ? await readLogState(bus, partition) : log, archived };
}

/** @returns undefined when MySQL does not answer in time */
function archivedOf({ archivePosition }: TakeOverOptions): Promise<number | undefined> {
  return withDeadline(archivePosition(), ARCHIVE_ANSWER_MS, "the archive's position").catch(() => undefined);
}

function checkFit(partition: number, log: LogState, archived: number | undefined): void {
  if (log.lastRecord > 0 && log.firstRecord > log.lastRecord) {
    // The archiver leaves the last record, whose header tells epoch and covered.
    throw new LogUnfit(partition, `all its records were purged; it was at record ${log.lastRecord}`);
  }
  if (archived === undefined) return;
  if (archived < 0) {
    // Purged records were archived; an archive that does not have them is another one.
    if (log.firstRecord > 1)
      throw new LogUnfit(partition, `it begins at record ${log.firstRecord}, the archive is empty`);
    return;
  }
  const archivedRecord = recordSeqOf(archived);
  if (archivedRecord > log.lastRecord) {
    throw new LogUnfit(partition, `it ends at record ${log.lastRecord}, the archive is at ${archivedRecord}`);
  }
  if (log.firstRecord > archivedRecord + 1) {
    throw new LogUnfit(partition, `it begins at record ${log.firstRecord}, the archive is at ${archivedRecord}`);
  }
}

async function foldTail(
  bus: Bus,
  partition: number,
  log: LogState,
  archived: number | undefined,
): Promise<PartitionState> {
  const minuteAgo = await findRecordSince(bus, partition, bus.clock.now() - ACCEPTED_IDS_MS, log);
  // The last record is always folded: its header tells epoch and covered.
  const from = Math.max(
    log.firstRecord,
    Math.min(
      minuteAgo,
      log.lastRecord,
      archived === undefined ? log.firstRecord : recordSeqOf(Math.max(archived, 0)) + 1,
    ),
  );
  const state = newPartitionState(partition, 0);
  state.archived = archived ?? endOfRecord(log.firstRecord - 1);
  let isFloorKnown = false;
  await readLog(bus, partition, from, log.lastRecord, (record) => {
    if (!isFloorKnown && from > 1) isFloorKnown = raiseFloor(state, record);
    foldRecord(state, record);
  });
  return state;
}

/**
 * The table knows the ids of all records from here on. The leader of the log dates the records before by its own clock, which may
 * be behind; the message ids of the records rise whatever a clock does.
 * @returns whether nothing later can tell more
 */
function raiseFloor({ dedupe }: PartitionState, { storedAt, body }: LogRecord): boolean {
  const [first] = body.kind === "events" ? body.events : [];
  const acceptedAt = first === undefined ? 0 : parseSnowflake(decodeEvent(first.event).messageId).ms;
  dedupe.beginAt(Math.max(dedupe.floor, storedAt, acceptedAt));
  return first !== undefined;
}

/**
 * Redis's own word; without it, what the last record said. Either way nothing is left out: the header of a record
 * never tells more than was done, and the purge waits for it, too.
 */
async function startOfFanOut(options: TakeOverOptions, log: LogState, state: PartitionState): Promise<number> {
  const stored = await options.fanoutPosition().catch(() => undefined);
  // A position beyond the log is from another life of it: a restored one.
  return stored !== undefined && recordSeqOf(stored) <= log.lastRecord ? stored : state.fanout;
}
