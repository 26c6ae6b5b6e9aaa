/**
 * Deletes what the log need not hold any more: records that are archived, that all inboxes have, and that are older
 * than the replay window. The last record always stays, because its header is where the next owner goes on.
 *
 * Every number used here can only be behind the truth (a position that another archiver has moved since, the fan-out
 * position of the newest record), so a purge by an archiver that was paused deletes too little, never too much.
 */
import { type Bus, findRecordSince, purgeLog, readLastRecord, readLogState, recordSeqOf } from "@carillon/bus";

export interface PurgeFacts {
  /** Log position up to which everything is archived. */
  archived: number;
  /** Log position up to which inboxes are filled. */
  fanout: number;
  /** First record inside the replay window. */
  youngest: number;
  lastSeq: number;
}

/** Sequence of the first record that has to stay. */
export function firstToKeep({ archived, fanout, youngest, lastSeq }: PurgeFacts): number {
  // A fan-out position may lie inside its record, so that record stays.
  return Math.min(recordSeqOf(archived) + 1, recordSeqOf(fanout), youngest, lastSeq);
}

/** @returns how many records were deleted */
export async function purgePartition(
  bus: Bus,
  partition: number,
  archived: number,
  replayWindowMs: number,
): Promise<number> {
  const state = await readLogState(bus, partition);
  const last = await readLastRecord(bus, partition);
  if (last === undefined) return 0;
  const youngest = await findRecordSince(bus, partition, bus.clock.now() - replayWindowMs, state);
  const keep = firstToKeep({ archived, fanout: last.header.fanout, youngest, lastSeq: last.seq });
  return keep > state.firstSeq ? purgeLog(bus, partition, keep) : 0;
}
