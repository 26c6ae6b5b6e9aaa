/** Frames that contain events as bytes, and SENT, which acknowledges one. The code is written by hand, for speed. */
import { writeHeader } from "../frames/frame";
import { Command } from "../generated/commands";
import { limits } from "../generated/limits";
import type { PulledPayload, SentPayload } from "../generated/payloads";
import { ByteWriter, encodedKey } from "./byte-writer";

/** An entry of an inbox: its number there, and the bytes of `encodeEvent`. */
export interface InboxEntry {
  inboxSeq: number;
  event: Uint8Array;
}

/** The room for the pair around an event in DELIVER: one byte for the list, nine for the number. */
const entryOverheadBytes = 10;

const epochKey = encodedKey("epoch");
const eventsKey = encodedKey("events");
const conversationIdKey = encodedKey("conversationId");
const lastSeqKey = encodedKey("lastSeq");
const moreKey = encodedKey("more");
const clientMsgIdKey = encodedKey("clientMsgId");
const seqKey = encodedKey("seq");
const messageIdKey = encodedKey("messageId");
const sentAtKey = encodedKey("sentAt");
const duplicateKey = encodedKey("duplicate");
const falseByte = Uint8Array.of(0xc2);
const trueByte = Uint8Array.of(0xc3);

const writer = new ByteWriter();

/** Encodes the payload of DELIVER. @throws RangeError for more than 64 entries */
export function encodeDeliver(epoch: string, entries: readonly InboxEntry[]): Uint8Array {
  writeDeliver(0, epoch, entries);
  return writer.finish();
}

/**
 * Encodes a DELIVER frame.
 * @throws RangeError for more than 64 entries or more than 65,536 bytes of payload: cut with `fitsEvents` first
 */
export function encodeDeliverFrame(epoch: string, entries: readonly InboxEntry[]): Uint8Array {
  writeDeliver(limits.headerBytes, epoch, entries);
  const frame = writer.finish();
  writeHeader(frame, Command.DELIVER, 0);
  return frame;
}

/** Encodes a SENT frame. @throws RangeError for a number that is no unsigned integer, or text without a UTF-8 form */
export function encodeSentFrame(requestId: number, sent: SentPayload): Uint8Array {
  const { duplicate } = sent;
  writer.begin(limits.headerBytes);
  writer.mapHeader(duplicate === undefined ? 5 : 6);
  writer.raw(clientMsgIdKey);
  writer.text(sent.clientMsgId);
  writer.raw(conversationIdKey);
  writer.text(sent.conversationId);
  writer.raw(seqKey);
  writer.unsigned(sent.seq);
  writer.raw(messageIdKey);
  writer.text(sent.messageId);
  writer.raw(sentAtKey);
  writer.unsigned(sent.sentAt);
  if (duplicate !== undefined) {
    writer.raw(duplicateKey);
    writer.raw(duplicate ? trueByte : falseByte);
  }
  const frame = writer.finish();
  writeHeader(frame, Command.SENT, requestId);
  return frame;
}

/** Encodes a PULLED frame with events as bytes, ascending. Throws as `encodeDeliverFrame`. */
export function encodePulledFrame(
  requestId: number,
  pulled: Omit<PulledPayload, "events"> & { events: readonly Uint8Array[] },
): Uint8Array {
  writer.begin(limits.headerBytes);
  writer.mapHeader(4);
  writer.raw(conversationIdKey);
  writer.text(pulled.conversationId);
  writer.raw(eventsKey);
  writeListHeader(pulled.events.length);
  for (const event of pulled.events) writer.raw(event);
  writer.raw(lastSeqKey);
  writer.unsigned(pulled.lastSeq);
  writer.raw(moreKey);
  writer.raw(pulled.more ? trueByte : falseByte);
  const frame = writer.finish();
  writeHeader(frame, Command.PULLED, requestId);
  return frame;
}

/**
 * Returns how many of the events, from the first, fit into one DELIVER or PULLED: at most 64 and at most `maxBytes`.
 * It returns at least one, so that a loop over the rest ends.
 */
export function fitsEvents(
  events: readonly (Uint8Array | { event: Uint8Array })[],
  maxBytes: number = limits.maxBatchBytes,
): number {
  return fitsSizes(
    events.map((entry) => (entry instanceof Uint8Array ? entry.length : entry.event.length) + entryOverheadBytes),
    maxBytes,
  );
}

/** As `fitsEvents`, for rows with known encoded sizes (bytes), such as those of SYNCED. */
export function fitsSizes(sizes: readonly number[], maxBytes: number = limits.maxBatchBytes): number {
  let bytes = 0;
  let count = 0;
  for (const size of sizes) {
    bytes += size;
    if (count > 0 && bytes > maxBytes) break;
    count += 1;
    if (count === limits.maxBatchEvents) break;
  }
  return count;
}

function writeDeliver(skipped: number, epoch: string, entries: readonly InboxEntry[]): void {
  writer.begin(skipped);
  writer.mapHeader(2);
  writer.raw(epochKey);
  writer.text(epoch);
  writer.raw(eventsKey);
  writeListHeader(entries.length);
  for (const { inboxSeq, event } of entries) {
    writer.listHeader(2);
    writer.unsigned(inboxSeq);
    writer.raw(event);
  }
}

function writeListHeader(length: number): void {
  if (length > limits.maxBatchEvents) throw new RangeError(`${length} events are above ${limits.maxBatchEvents}`);
  writer.listHeader(length);
}
