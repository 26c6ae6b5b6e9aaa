/**
 * Writes a batch of events into the archive, and moves the position with it.
 *
 * When MySQL refuses the values of a batch, the archiver finds the refused events by halving the batch. It writes these events
 * without their content, because their numbers are in use and the messages of other users must continue. The content becomes a
 * dead letter.
 */
import { failPoint, type Trace } from "@carillon/base/node";
import { endOfRecord, type FollowedBatch, type FollowerProgress } from "@carillon/bus";
import type { Event } from "@carillon/protocol";
import { type ArchiveWriter, isRefusedValue } from "@carillon/store";

export interface WriteOptions {
  archive: Pick<ArchiveWriter, "write" | "refuses">;
  partition: number;
  /** Stores the content of a refused event elsewhere; resolves when it is stored. */
  putAside(event: Event, reason: string): Promise<void>;
  trace?: Trace | undefined;
}

/**
 * @param progress the position; it moves when the batch is written
 * @throws ArchiveFenced, or an error of MySQL; then only the position in MySQL tells whether the batch is written
 */
export async function writeBatch(
  options: WriteOptions,
  { events, changes, lastRecord }: FollowedBatch,
  progress: FollowerProgress,
): Promise<void> {
  const { archive, partition, putAside, trace } = options;
  failPoint("write.before");
  const to = endOfRecord(lastRecord);
  const batch = { partition, claim: progress.claim, from: progress.position, to, events, changes };
  try {
    await archive.write(batch);
  } catch (error) {
    if (!isRefusedValue(error)) throw error;
    const withheld = await refusedOf(archive, events);
    if (withheld.length === 0) throw error;
    for (const event of withheld) await putAside(event, (error as Error).message);
    await archive.write({ ...batch, events: events.map((event) => withhold(event, withheld)), withheld });
  }
  progress.position = to;
  progress.done += events.length;
  failPoint("write.after");
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
