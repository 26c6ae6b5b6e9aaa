/**
 * Reads the gateway's bytes without making objects of them: it cuts them into frames, and reads of a DELIVER only the numbers,
 * the sender and the content, in the order of keys that the gateway writes. Any other form is an error, which ends the run.
 */
const HEADER_BYTES = 12;
const MOST_FRAME_BYTES = 65_548;

const FIXED_LIST = 0x90;
const LIST_16 = 0xdc;
const FIXED_TEXT = 0xa0;
const TEXT_8 = 0xd9;
const TEXT_16 = 0xda;

const key = (name: string) => Buffer.concat([Buffer.from([FIXED_TEXT | name.length]), Buffer.from(name, "latin1")]);
const EPOCH = key("epoch");
const EVENTS = key("events");
const CONVERSATION = key("conversationId");
const SEQ = key("seq");
const SENDER = key("senderId");
/** Keys of an event between sender and content; the walk skips their values. */
const PASSED = ["kind", "messageId", "clientMsgId", "contentType", "sentAt"].map(key);
const CONTENT = key("content");

/** Takes whole frames of a stream. */
export type FrameTaker = (command: number, requestId: number, bytes: Buffer, from: number, to: number) => void;

/** Cuts a stream of bytes into frames; only the piece of a frame at the end of a chunk is kept, as a copy. */
export class FrameCutter {
  private held: Buffer | undefined;

  /** @param bytes are read during the call only, and so are the bytes of `take`; @throws Error when the bytes are no frame */
  push(bytes: Buffer, length: number, take: FrameTaker): void {
    let [chunk, end, at] = [bytes, length, 0];
    if (this.held !== undefined) {
      chunk = Buffer.concat([this.held, bytes.subarray(0, length)]);
      end = chunk.length;
      this.held = undefined;
    }
    while (end - at >= HEADER_BYTES) {
      const size = 4 + chunk.readUInt32BE(at);
      if (size > MOST_FRAME_BYTES || size < HEADER_BYTES) throw new Error(`a frame of ${size} bytes`);
      if (end - at < size) break;
      take(chunk.readUInt16BE(at + 6), chunk.readUInt32BE(at + 8), chunk, at + HEADER_BYTES, at + size);
      at += size;
    }
    if (at < end) this.held = Buffer.from(chunk.subarray(at, end));
  }
}

/** Takes the events of a DELIVER. */
export interface DeliverTaker {
  /** Is called before the events. */
  onEpoch(epoch: string): void;
  /** @param content empty for an event of `ownId`, whose content the client knows */
  onEvent(inboxSeq: number, seq: number, isOwn: boolean, content: string): void;
}

/** Walks over the payload of DELIVER. One walker serves all connections, one after the other. */
export class DeliverWalk {
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;

  /** @param ownId of the client, ASCII; @throws Error for bytes in another form than the product writes */
  read(bytes: Buffer, from: number, to: number, ownId: Buffer, taker: DeliverTaker): void {
    this.bytes = bytes;
    this.at = from;
    if (bytes[this.at++] !== 0x82) throw unknownForm("DELIVER");
    this.expect(EPOCH);
    taker.onEpoch(this.text());
    this.expect(EVENTS);
    const count = this.listLength();
    for (let index = 0; index < count; index++) this.readEntry(ownId, taker);
    if (this.at !== to) throw unknownForm("the end of DELIVER");
  }

  private readEntry(ownId: Buffer, taker: DeliverTaker): void {
    const { bytes } = this;
    if (bytes[this.at++] !== (FIXED_LIST | 2)) throw unknownForm("an entry");
    const inboxSeq = this.unsigned();
    // The event has eight keys, and the content as the ninth. A generator gets no recalls and no system events.
    if (bytes[this.at++] !== 0x89) throw unknownForm("an event");
    this.expect(CONVERSATION);
    this.pass();
    this.expect(SEQ);
    const seq = this.unsigned();
    this.expect(SENDER);
    const isOwn = this.isText(ownId);
    for (const passed of PASSED) {
      this.expect(passed);
      this.pass();
    }
    this.expect(CONTENT);
    if (isOwn) this.pass();
    taker.onEvent(inboxSeq, seq, isOwn, isOwn ? "" : this.text());
  }

  private expect(wanted: Buffer): void {
    const { bytes, at } = this;
    // The first letter and the length tell the keys of an event apart; golden files of the protocol fix the layout.
    if (bytes[at] !== wanted[0] || bytes[at + 1] !== wanted[1]) throw unknownForm(wanted.toString("latin1", 1));
    this.at = at + wanted.length;
  }

  private isText(wanted: Buffer): boolean {
    const length = this.textLength();
    const from = this.at;
    this.at += length;
    if (length !== wanted.length) return false;
    for (let index = 0; index < length; index++) if (this.bytes[from + index] !== wanted[index]) return false;
    return true;
  }

  /** Reads ASCII, since all text of the generator is ASCII. */
  private text(): string {
    const length = this.textLength();
    const from = this.at;
    this.at += length;
    return this.bytes.toString("latin1", from, this.at);
  }

  private textLength(): number {
    const first = this.bytes[this.at++]!;
    if ((first & 0xe0) === FIXED_TEXT) return first & 0x1f;
    if (first === TEXT_8) return this.bytes[this.at++]!;
    if (first !== TEXT_16) throw unknownForm("text");
    this.at += 2;
    return this.bytes.readUInt16BE(this.at - 2);
  }

  private listLength(): number {
    const first = this.bytes[this.at++]!;
    if ((first & 0xf0) === FIXED_LIST) return first & 0x0f;
    if (first !== LIST_16) throw unknownForm("a list");
    this.at += 2;
    return this.bytes.readUInt16BE(this.at - 2);
  }

  private unsigned(): number {
    const first = this.bytes[this.at++]!;
    if (first < 0x80) return first;
    if (first < 0xcc || first > 0xcf) throw unknownForm("a number");
    let value = 0;
    for (const end = this.at + (1 << (first & 3)); this.at < end; this.at++) value = value * 256 + this.bytes[this.at]!;
    return value;
  }

  /** Skips a text or a number. */
  private pass(): void {
    const first = this.bytes[this.at]!;
    if (first < 0x80) this.at++;
    else if (first >= 0xcc && first <= 0xcf) this.at += 1 + (1 << (first & 3));
    else {
      const length = this.textLength();
      this.at += length;
    }
  }
}

const unknownForm = (part: string) => new Error(`${part} does not have the form that the gateway writes`);
