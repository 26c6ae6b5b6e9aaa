/**
 * An event as bytes, the form in which it goes through log, inbox, bus and gateway.
 *
 * The idea: it is encoded once, by the owner of the conversation, and spliced into every frame as it is. The keys
 * come in a fixed order, with what routing needs first, so that a gateway reads four fields and leaves the rest.
 * For everyone else it is an ordinary MessagePack map.
 */
import { decodePayload } from "../codec/codec";
import { readUtf8 } from "../codec/utf8";
import { CarillonError } from "../errors";
import { type Event, type EventKind, eventKindValues } from "../generated/payloads";
import { checkEvent } from "../generated/validators";
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

const requiredKeys = 8;
const writer = new ByteWriter();

/** What a gateway needs to know of an event to pass it on. */
export interface EventHead {
  conversationId: string;
  seq: number;
  senderId: string;
  kind: EventKind;
}

/**
 * The bytes of an event, keys in the order conversationId, seq, senderId, kind, messageId, clientMsgId, contentType,
 * sentAt, content?, targetSeq?. The fields are not checked against the schema.
 * @throws RangeError for a number that is no unsigned integer, or text without a UTF-8 form
 */
export function encodeEvent(event: Event): Uint8Array {
  const { content, targetSeq } = event;
  writer.begin();
  writer.mapHeader(requiredKeys + (content === undefined ? 0 : 1) + (targetSeq === undefined ? 0 : 1));
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
  return writer.finish();
}

/**
 * Reads the first four fields of bytes that `encodeEvent` made, without looking at the rest.
 * @throws Error for bytes that begin otherwise
 */
export function peekEvent(bytes: Uint8Array): EventHead {
  const entries = (bytes[0] ?? 0) - 0x80;
  if (entries < requiredKeys || entries > requiredKeys + 2) throw notEncodedHere();
  const cursor = new HeadCursor(bytes);
  const conversationId = cursor.text(conversationIdKey);
  const seq = cursor.unsigned(seqKey);
  const senderId = cursor.text(senderIdKey);
  const kind = cursor.text(kindKey) as EventKind;
  if (!eventKindValues.includes(kind)) throw notEncodedHere();
  return { conversationId, seq, senderId, kind };
}

/**
 * The event in `bytes`, in whatever order its keys are.
 * @throws CarillonError BAD_PAYLOAD for bytes that are no event
 */
export function decodeEvent(bytes: Uint8Array): Event {
  const fields = decodePayload(bytes);
  const fault = checkEvent(fields);
  if (fault !== undefined) throw new CarillonError("BAD_PAYLOAD", fault);
  return fields as unknown as Event;
}

function writeText(key: Uint8Array, value: string): void {
  writer.raw(key);
  writer.text(value);
}

function writeNumber(key: Uint8Array, value: number): void {
  writer.raw(key);
  writer.unsigned(value);
}

function notEncodedHere(): Error {
  return new Error("these bytes do not begin as encodeEvent writes an event");
}

/** Reads known keys one after the other. A byte beyond the end is undefined and fits nothing. */
class HeadCursor {
  private at = 1;

  constructor(private readonly bytes: Uint8Array) {}

  text(key: Uint8Array): string {
    this.expect(key);
    const first = this.bytes[this.at++] ?? 0;
    let length = first & 0x1f;
    if (first === 0xd9) length = this.bytes[this.at++] ?? 0;
    else if ((first & 0xe0) !== 0xa0) throw notEncodedHere();
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
    const end = this.at + (1 << (first & 3));
    if (end > this.bytes.length) throw notEncodedHere();
    let value = 0;
    while (this.at < end) value = value * 256 + (this.bytes[this.at++] as number);
    return value;
  }

  private expect(key: Uint8Array): void {
    if (!hasKeyAt(this.bytes, this.at, key)) throw notEncodedHere();
    this.at += key.length;
  }
}
