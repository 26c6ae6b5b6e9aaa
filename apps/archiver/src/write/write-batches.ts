/**
 * Writes what the buffer holds, batch after batch, and moves the position with each.
 *
 * When MySQL refuses the values of a batch, the events that it refuses are looked for by halves. Of these everything is
 * written but the content: their numbers are taken, and everybody else's messages go on. The content is put aside as a
 * dead letter.
 */
import { failPoint, type Trace } from "@carillon/base/node";
import { endOfRecord } from "@carillon/bus";
import type { Event } from "@carillon/protocol";
import { type ArchiveWriter, isRefusedValue } from "@carillon/store";
import type { RecordBatch, RecordBuffer } from "../read/record-buffer";

/** How far this archiver has come in a partition. */
export interface ArchiveState {
  epoch: number;
  /** Log position up to which everything is in MySQL; -1: nothing. */
  position: number;
  /** Events written since the process began. */
  written: number;
}

export interface WriteOptions {
  archive: Pick<ArchiveWriter, "write" | "refuses">;
  partition: number;
  state: ArchiveState;
  /** Resolves when an event whose content MySQL refuses is stored elsewhere. */
  putAside(event: Event, reason: string): Promise<void>;
  trace?: Trace | undefined;
}

/**
 * Runs until the buffer is closed.
 * @throws ArchiveFenced, or an error of MySQL: then only the position in MySQL tells whether the batch is written
 */
export async function writeBatches(options: WriteOptions, buffer: RecordBuffer): Promise<void> {
  for (let batch = await buffer.take(); batch !== undefined; batch = await buffer.take()) {
    failPoint("write.before");
    await write(options, batch);
    failPoint("write.after");
  }
}

async function write(options: WriteOptions, { events, changes, lastSeq }: RecordBatch): Promise<void> {
  const { archive, partition, state, putAside, trace } = options;
  const to = endOfRecord(lastSeq);
  const batch = { partition, epoch: state.epoch, from: state.position, to, events, changes };
  try {
    await archive.write(batch);
  } catch (error) {
    if (!isRefusedValue(error)) throw error;
    const withheld = await refusedOf(archive, events);
    if (withheld.length === 0) throw error;
    for (const event of withheld) await putAside(event, (error as Error).message);
    await archive.write({ ...batch, events: events.map((event) => withhold(event, withheld)), withheld });
  }
  state.position = to;
  state.written += events.length;
  if (trace === undefined) return;
  for (const { messageId, clientMsgId, conversationId, seq } of events) {
    trace({ partition, messageId, clientMsgId, conversationId, seq }, "an event was archived");
  }
}

async function refusedOf(archive: WriteOptions["archive"], events: Event[]): Promise<Event[]> {
  if (events.length === 0 || !(await archive.refuses(events))) return [];
  if (events.length === 1) return events;
  const middle = events.length >> 1;
  return [...(await refusedOf(archive, events.slice(0, middle))), ...(await refusedOf(archive, events.slice(middle)))];
}

function withhold(event: Event, withheld: Event[]): Event {
  if (!withheld.includes(event)) return event;
  const { content: _, ...rest } = event;
  return rest;
}
