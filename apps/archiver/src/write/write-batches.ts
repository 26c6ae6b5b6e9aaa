/** Writes what the buffer holds, batch after batch, and moves the position with each. */
import { failPoint } from "@carillon/base/node";
import { endOfRecord } from "@carillon/bus";
import type { ArchiveWriter } from "@carillon/store";
import type { RecordBuffer } from "../read/record-buffer";

/** How far this archiver has come in a partition. */
export interface ArchiveState {
  epoch: number;
  /** Log position up to which everything is in MySQL; -1: nothing. */
  position: number;
  /** Events written since the process began. */
  written: number;
}

/**
 * Runs until the buffer is closed.
 * @throws ArchiveFenced, or an error of MySQL: then only the position in MySQL tells whether the batch is written
 */
export async function writeBatches(
  archive: Pick<ArchiveWriter, "write">,
  partition: number,
  buffer: RecordBuffer,
  state: ArchiveState,
): Promise<void> {
  for (let batch = await buffer.take(); batch !== undefined; batch = await buffer.take()) {
    const to = endOfRecord(batch.lastSeq);
    failPoint("write.before");
    const { events, changes } = batch;
    await archive.write({ partition, epoch: state.epoch, from: state.position, to, events, changes });
    failPoint("write.after");
    state.position = to;
    state.written += batch.events.length;
  }
}
