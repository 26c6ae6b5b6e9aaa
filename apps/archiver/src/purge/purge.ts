/**
 * Deletes records that the log no longer needs: they are archived, all inboxes have them, and they are older than the replay
 * window. The last record always stays, because the next owner continues from its header.
 *
 * Every number used here can only be behind the truth (a position that another archiver has moved since, the fan-out
 * position of the newest record). So a purge by an archiver that was paused deletes too little, never too much.
 */
import { type Bus, findRecordSince, purgeLog, readLastRecord, readLogState, recordSeqOf } from "@carillon/bus";

export interface PurgeFacts {
  /** Log position up to which everything is archived. */
  archived: number;
  /** Log position up to which inboxes are filled. */
  fanout: number;
  /** First record inside the replay window. */
  youngest: number;
  lastRecord: number;
}

/** Returns the sequence of the first record that must stay. */
export function firstToKeep({ archived, fanout, youngest, lastRecord }: PurgeFacts): number {
  // A fan-out position may lie inside a record; then that record stays.
  return Math.min(recordSeqOf(archived) + 1, recordSeqOf(fanout), youngest, lastRecord);
}

/** @returns number of deleted records */
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
  const keep = firstToKeep({ archived, fanout: last.header.fanout, youngest, lastRecord: last.seq });
  return keep > state.firstRecord ? purgeLog(bus, partition, keep) : 0;
}
