/**
 * An event as bytes, the form in which it goes through log, inbox, bus and gateway.
 *
 * The idea: the owner of the conversation encodes the event once, and the bytes are copied into every frame as they are. The keys
 * have a fixed order, with those that routing needs first, so that a gateway reads four fields and leaves the rest.
 * For all other readers the event is an ordinary MessagePack map.
 */
import { readUtf8 } from "../codec/utf8";
import { type ContentType, type Event, type EventKind, eventKindValues } from "../generated/payloads";
import { ByteWriter, encodedKey, hasKeyAt } from "./byte-writer";

const conversationIdKey = encodedKey("conversationId");
const seqKey = encodedKey("seq");
const senderIdKey = encodedKey("senderId");
const kindKey = encodedKey("kind");
const messageIdKey = encodedKey("messageId");
const clientMsgIdKey = encodedKey("clientMsgId");
const contentTypeKey = encodedKey("contentType");
const sentAtKey = encodedKey("sentAt");
const contentKey = encodedKey("content");
const targetSeqKey = encodedKey("targetSeq");
const clearedKey = encodedKey("cleared");

const requiredKeys = 8;
const writer = new ByteWriter();

/** The fields of an event that a gateway needs to pass it on. */
export interface EventHead {
  conversationId: string;
  seq: number;
  senderId: string;
  kind: EventKind;
}

/**
 * Encodes an event with its keys in the order conversationId, seq, senderId, kind, messageId, clientMsgId, contentType,
 * sentAt, content?, targetSeq?, cleared?. It does not check the fields against the schema.
 * @throws RangeError for a number that is no unsigned integer, or text without a UTF-8 form
 */
export function encodeEvent(event: Event): Uint8Array {
  const { content, targetSeq, cleared } = event;
  writer.begin();
  writer.mapHeader(
    requiredKeys +
      (content === undefined ? 0 : 1) +
      (targetSeq === undefined ? 0 : 1) +
      (cleared === undefined ? 0 : 1),
  );
  writeText(conversationIdKey, event.conversationId);
  writeNumber(seqKey, event.seq);
  writeText(senderIdKey, event.senderId);
  writeText(kindKey, event.kind);
  writeText(messageIdKey, event.messageId);
  writeText(clientMsgIdKey, event.clientMsgId);
  writeText(contentTypeKey, event.contentType);
  writeNumber(sentAtKey, event.sentAt);
  if (content !== undefined) writeText(contentKey, content);
  if (targetSeq !== undefined) writeNumber(targetSeqKey, targetSeq);
  if (cleared !== undefined) writeBoolean(clearedKey, cleared);
  return writer.finish();
}

/**
 * Returns the bytes after the first byte of that event: they tell an event from all others without decoding it.
 */
export function eventPrefix(conversationId: string, seq: number): Uint8Array {
  writer.begin();
  writeText(conversationIdKey, conversationId);
  writeNumber(seqKey, seq);
  return writer.finish();
}

/** As `eventPrefix`, for all events of a conversation: the `seq` follows these bytes. */
export function conversationPrefix(conversationId: string): Uint8Array {
  writer.begin();
  writeText(conversationIdKey, conversationId);
  writer.raw(seqKey);
  return writer.finish();
}

/**
 * Reads the first four fields of bytes that `encodeEvent` wrote, without reading the rest.
 * @throws Error for bytes that begin in another way
 */
export function peekEvent(bytes: Uint8Array): EventHead {
  return readHead(new EventCursor(bytes));
}

/**
 * Decodes an event that `encodeEvent` wrote. It does not check again what the owner of a conversation wrote; bytes of
 * clients go through `decodePayload` and the validators.
 * @throws Error for bytes in another form
 */
export function decodeEvent(bytes: Uint8Array): Event {
  const cursor = new EventCursor(bytes);
  const { conversationId, seq, senderId, kind } = readHead(cursor);
  const event: Event = {
    conversationId,
    seq,
    senderId,
    kind,
    messageId: cursor.text(messageIdKey),
    clientMsgId: cursor.text(clientMsgIdKey),
    contentType: cursor.text(contentTypeKey) as ContentType,
    sentAt: cursor.unsigned(sentAtKey),
  };
  if (cursor.isAt(contentKey)) event.content = cursor.text(contentKey);
  if (cursor.isAt(targetSeqKey)) event.targetSeq = cursor.unsigned(targetSeqKey);
  if (cursor.isAt(clearedKey)) event.cleared = cursor.boolean(clearedKey);
  cursor.end();
  return event;
}

function readHead(cursor: EventCursor): EventHead {
  const conversationId = cursor.text(conversationIdKey);
  const seq = cursor.unsigned(seqKey);
  const senderId = cursor.text(senderIdKey);
  const kind = cursor.text(kindKey) as EventKind;
  if (!eventKindValues.includes(kind)) throw notEncodedHere();
  return { conversationId, seq, senderId, kind };
}

function writeText(key: Uint8Array, value: string): void {
  writer.raw(key);
  writer.text(value);
}

function writeNumber(key: Uint8Array, value: number): void {
  writer.raw(key);
  writer.unsigned(value);
}

function writeBoolean(key: Uint8Array, value: boolean): void {
  writer.raw(key);
  if (value) writer.true();
  else writer.false();
}

function notEncodedHere(): Error {
  return new Error("these bytes are not as encodeEvent writes an event");
}

/** Reads known keys one after the other. A byte beyond the end is undefined and matches nothing. */
class EventCursor {
  private at = 1;
  /** The number of entries of the map that are not read yet. */
  private left: number;

  constructor(private readonly bytes: Uint8Array) {
    this.left = (bytes[0] ?? 0) - 0x80;
    if (this.left < requiredKeys || this.left > requiredKeys + 3) throw notEncodedHere();
  }

  isAt(key: Uint8Array): boolean {
    return hasKeyAt(this.bytes, this.at, key);
  }

  text(key: Uint8Array): string {
    this.expect(key);
    const first = this.bytes[this.at++] ?? 0;
    const length = (first & 0xe0) === 0xa0 ? first & 0x1f : this.longLength(first);
    const start = this.at;
    this.at += length;
    if (this.at > this.bytes.length) throw notEncodedHere();
    return readUtf8(this.bytes, start, this.at);
  }

  unsigned(key: Uint8Array): number {
    this.expect(key);
    const first = this.bytes[this.at++] ?? 0xc1;
    if (first < 0x80) return first;
    if (first < 0xcc || first > 0xcf) throw notEncodedHere();
    return this.bigEndian(1 << (first & 3));
  }

  boolean(key: Uint8Array): boolean {
    this.expect(key);
    const value = this.bytes[this.at++];
    if (value !== 0xc2 && value !== 0xc3) throw notEncodedHere();
    return value === 0xc3;
  }

  /** @throws Error unless all bytes were read */
  end(): void {
    if (this.at !== this.bytes.length || this.left !== 0) throw notEncodedHere();
  }

  private longLength(first: number): number {
    if (first < 0xd9 || first > 0xdb) throw notEncodedHere();
    return this.bigEndian(1 << (first - 0xd9));
  }

  private bigEndian(size: number): number {
    const end = this.at + size;
    if (end > this.bytes.length) throw notEncodedHere();
    let value = 0;
    while (this.at < end) value = value * 256 + (this.bytes[this.at++] as number);
    return value;
  }

  private expect(key: Uint8Array): void {
    if (!this.isAt(key)) throw notEncodedHere();
    this.at += key.length;
    this.left--;
  }
}
