/**
 * Makes the SEND frames of one connection by patching.
 *
 * The idea: everything in a SEND but requestId, clientMsgId and content is the same for all messages of a connection. So
 * one frame is encoded by the product's own codec, and each message is a copy of it in a slot of a ring, with these three
 * fields written over. The bytes stay in their slot until the message is answered: after BUSY the same frame goes out
 * again, and frames that lie side by side go out in one write without being copied together.
 *
 * Edge cases. A slot whose message is still unanswered is not used again: the ring doubles. Content of another length
 * needs another frame: slots have one size, so the ring begins anew, and frames in the old ring stay there.
 */
import { randomBytes } from "node:crypto";
import { Command, encodeFrame } from "@carillon/protocol";

const FIRST_SLOTS = 8;
const REQUEST_ID_AT = 8;
const TIME_DIGITS = 13;
const COUNTER_DIGITS = 6;
const ID_LENGTH = 36;
const HEX = Buffer.from("0123456789abcdef", "latin1");

/** A frame for one receiver and one length of content, with the places of the three fields in it. */
export interface SendTemplate {
  frame: Buffer;
  idAt: number;
  contentAt: number;
  contentBytes: number;
}

/** @param to as SEND names it; all content must be ASCII of exactly `contentBytes` */
export function makeSendTemplate(to: string, contentBytes: number): SendTemplate {
  // Two random parts keep the ids of connections apart that send in the same ms and at the same count.
  const id = `00000000-0000-7${randomBytes(2).toString("hex").slice(1)}-8${randomBytes(2).toString("hex").slice(1)}-${randomBytes(6).toString("hex")}`;
  const content = "x".repeat(contentBytes);
  const frame = Buffer.from(encodeFrame(Command.SEND, 0, { clientMsgId: id, to, contentType: "text", content }));
  const idAt = frame.indexOf(id, 0, "latin1");
  return { frame, idAt, contentAt: frame.length - contentBytes, contentBytes };
}

/** Returns `xxxxxxxx-xxxx`, the beginning of a UUIDv7 of that time (ms since 1970), as ASCII. */
export function timeDigits(now: number): Buffer {
  const digits = Math.floor(now).toString(16).padStart(12, "0");
  return Buffer.from(`${digits.slice(0, 8)}-${digits.slice(8)}`, "latin1");
}

let digitsOf = 0;
let digits = timeDigits(0);

function digitsNow(): Buffer {
  const now = Date.now();
  if (now !== digitsOf) {
    digitsOf = now;
    digits = timeDigits(now);
  }
  return digits;
}

export class SendRing {
  private slots = FIRST_SLOTS;
  private bytes: Buffer;
  /** By slot: the requestId whose message is unanswered; 0 for none. */
  private owners = new Uint32Array(FIRST_SLOTS);

  constructor(readonly template: SendTemplate) {
    this.bytes = Buffer.alloc(FIRST_SLOTS * template.frame.length);
  }

  /** Puts the frame of a message into its slot. @param requestId the next one, above 0 */
  add(requestId: number, content: string): void {
    while (this.owners[requestId % this.slots] !== 0) this.grow();
    const { frame, idAt, contentAt } = this.template;
    const slot = requestId % this.slots;
    const at = slot * frame.length;
    this.owners[slot] = requestId;
    const { bytes } = this;
    bytes.set(frame, at);
    bytes.writeUInt32BE(requestId, at + REQUEST_ID_AT);
    const time = digitsNow();
    for (let index = 0; index < TIME_DIGITS; index++) bytes[at + idAt + index] = time[index]!;
    let rest = requestId;
    for (let index = ID_LENGTH - 1; index >= ID_LENGTH - COUNTER_DIGITS; index--) {
      bytes[at + idAt + index] = HEX[rest & 15]!;
      rest >>>= 4;
    }
    bytes.write(content, at + contentAt, "latin1");
  }

  /** Marks a message as answered for good. @returns false for a message that is not under way */
  settle(requestId: number): boolean {
    const slot = requestId % this.slots;
    if (requestId === 0 || this.owners[slot] !== requestId) return false;
    this.owners[slot] = 0;
    return true;
  }

  isUnderWay(requestId: number): boolean {
    return requestId !== 0 && this.owners[requestId % this.slots] === requestId;
  }

  /** Returns the frames of the messages from `first` to `last`, in one piece, or in two at the end of the ring. */
  frames(first: number, last: number): Buffer[] {
    const size = this.template.frame.length;
    const [from, to] = [first % this.slots, (last % this.slots) + 1];
    if (from < to) return [this.bytes.subarray(from * size, to * size)];
    return [this.bytes.subarray(from * size), this.bytes.subarray(0, to * size)];
  }

  /** Writes of the old ring may still be under way, so this method leaves the old ring unchanged. */
  private grow(): void {
    const size = this.template.frame.length;
    const slots = 2 * this.slots;
    const bytes = Buffer.alloc(slots * size);
    const owners = new Uint32Array(slots);
    for (const [slot, requestId] of this.owners.entries()) {
      if (requestId === 0) continue;
      owners[requestId % slots] = requestId;
      this.bytes.copy(bytes, (requestId % slots) * size, slot * size, (slot + 1) * size);
    }
    this.slots = slots;
    this.bytes = bytes;
    this.owners = owners;
  }
}
