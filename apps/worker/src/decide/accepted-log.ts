import { randomBytes } from "node:crypto";
import type { Age } from "./unarchived";

/**
 * Accepted messages in the order of the log, found by their clientMsgId: a ring of rows, and a hash table of chains.
 *
 * At 15,000 messages a second a minute of them is 900,000 rows. As objects in a Map they were half a gigabyte of heap, which
 * cost a seventh of the worker's CPU to collect around; as rows of numbers they are 110 bytes each that nobody looks at.
 *
 * Edge case: two users may use the same id. Sender and conversation are compared, too, and the youngest comes first.
 */

/** Powers of two, so that a bit mask wraps. */
const FEWEST_ROWS = 64;
/** The ring is made smaller when less than this part of it is in use. */
const SPARSE = 1 / 8;
const NONE = -1;

export class AcceptedLog {
  private columns = new Columns(FEWEST_ROWS);
  private count = 0;
  /** Row of the oldest. */
  private first = 0;
  /** Row of the youngest of each chain, and the next older row of each row. */
  private heads = new Int32Array(FEWEST_ROWS).fill(NONE);
  private older = new Int32Array(FEWEST_ROWS);
  /** Senders and conversations. */
  private readonly names = new CountedNames();
  /** The id that is being looked for or added. */
  private readonly id = new Uint32Array(ID_WORDS);

  /** @param multipliers of the hash of ids; each process draws its own */
  constructor(private readonly multipliers = newMultipliers(ID_WORDS)) {}

  get size(): number {
    return this.count;
  }

  /** @param clientMsgId a UUID in canonical form */
  find(senderId: string, conversationId: string, clientMsgId: string): AcceptedMessage | undefined {
    this.readId(clientMsgId);
    const { columns, older, names } = this;
    for (let row = this.heads[this.bucketOfId()]!; row !== NONE; row = older[row]!) {
      if (!this.hasId(row)) continue;
      if (names.text(columns.senders[row]!) !== senderId) continue;
      if (names.text(columns.conversations[row]!) !== conversationId) continue;
      const [seq, sentAt] = [columns.seqs[row]!, columns.sentAt[row]!];
      return { digest: columns.digest(row) || undefined, seq, messageId: columns.messageId(row), sentAt };
    }
    return undefined;
  }

  /** Adds the youngest. */
  add(message: AcceptedRequest, { position, storedAt }: Age): void {
    if (this.count === this.columns.rows) this.resize(this.columns.rows * 2);
    const { columns, names } = this;
    const row = this.rowAt(this.count++);
    this.readId(message.clientMsgId);
    for (let word = 0; word < ID_WORDS; word++) columns.ids[row * ID_WORDS + word] = this.id[word]!;
    columns.senders[row] = names.take(message.senderId);
    columns.conversations[row] = names.take(message.conversationId);
    columns.seqs[row] = message.seq;
    columns.sentAt[row] = message.sentAt;
    columns.positions[row] = position;
    columns.storedAt[row] = storedAt;
    columns.setTexts(row, message.digest ?? "", message.messageId);
    this.chain(row);
  }

  oldest(): Age | undefined {
    if (this.count === 0) return undefined;
    return { position: this.columns.positions[this.first]!, storedAt: this.columns.storedAt[this.first]! };
  }

  dropOldest(): void {
    const { columns, names, first } = this;
    this.unchain(first);
    names.release(columns.senders[first]!);
    names.release(columns.conversations[first]!);
    this.first = this.rowAt(1);
    this.count--;
  }

  /** Gives memory back after a rush. */
  shrink(): void {
    let { rows } = this.columns;
    while (rows > FEWEST_ROWS && this.count < rows * SPARSE) rows /= 2;
    if (rows < this.columns.rows) this.resize(rows);
  }

  private rowAt(index: number): number {
    return (this.first + index) & (this.columns.rows - 1);
  }

  private resize(rows: number): void {
    const old = this.columns;
    const columns = new Columns(rows);
    const untilEnd = Math.min(this.count, old.rows - this.first);
    columns.copy(old, this.first, untilEnd, 0);
    columns.copy(old, 0, this.count - untilEnd, untilEnd);
    this.columns = columns;
    this.first = 0;
    this.heads = new Int32Array(rows).fill(NONE);
    this.older = new Int32Array(rows);
    for (let row = 0; row < this.count; row++) {
      this.id.set(columns.ids.subarray(row * ID_WORDS, (row + 1) * ID_WORDS));
      this.chain(row);
    }
  }

  private hasId(row: number): boolean {
    const [{ ids }, { id }, at] = [this.columns, this, row * ID_WORDS];
    return ids[at + 3] === id[3] && ids[at + 2] === id[2] && ids[at + 1] === id[1] && ids[at] === id[0];
  }

  /** Makes a row with the id at hand the youngest of its chain. */
  private chain(row: number): void {
    const bucket = this.bucketOfId();
    this.older[row] = this.heads[bucket]!;
    this.heads[bucket] = row;
  }

  /** Takes the oldest row, the last of its chain, out of it. */
  private unchain(row: number): void {
    const { older, heads, columns } = this;
    this.id.set(columns.ids.subarray(row * ID_WORDS, (row + 1) * ID_WORDS));
    const bucket = this.bucketOfId();
    if (heads[bucket] === row) {
      heads[bucket] = NONE;
      return;
    }
    let younger = heads[bucket]!;
    while (older[younger] !== row) younger = older[younger]!;
    older[younger] = NONE;
  }

  private bucketOfId(): number {
    return bucketOf(this.id, this.multipliers, this.columns.rows);
  }

  private readId(uuid: string): void {
    const { id } = this;
    id[0] = hexOf(uuid, 0, 8);
    id[1] = hexOf(uuid, 14, 18, hexOf(uuid, 9, 13));
    id[2] = hexOf(uuid, 24, 28, hexOf(uuid, 19, 23));
    id[3] = hexOf(uuid, 28, 36);
  }
}

/** The number that lower-case hexadecimal digits are, behind those that came before. */
function hexOf(text: string, from: number, to: number, before = 0): number {
  let value = before;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    value = (value << 4) | (code < 58 ? code - 48 : code - 87);
  }
  return value;
}

/** An accepted message as the table remembers it: enough to answer a repeated request like the first one. */
export interface AcceptedMessage {
  /** Digest of kind and body; undefined when the archive no longer has the body. */
  digest: string | undefined;
  seq: number;
  messageId: string;
  sentAt: number;
}

/** An accepted message with the request that it came from. */
export interface AcceptedRequest extends AcceptedMessage {
  senderId: string;
  conversationId: string;
  clientMsgId: string;
}

/** One row per accepted message in arrays of numbers, which the garbage collector neither copies nor looks through. */

/** Bytes of a digest, ASCII; a shorter digest ends with zeros. */
const DIGEST_BYTES = 16;
/** Bytes of a message id: at most 19 decimal digits. */
const MESSAGE_ID_BYTES = 20;

/** A UUID is four words of 32 bits. */
const ID_WORDS = 4;

class Columns {
  readonly ids: Uint32Array;
  readonly senders: Uint32Array;
  readonly conversations: Uint32Array;
  readonly seqs: Float64Array;
  readonly sentAt: Float64Array;
  readonly positions: Float64Array;
  readonly storedAt: Float64Array;
  private readonly digests: Buffer;
  private readonly messageIds: Buffer;

  constructor(readonly rows: number) {
    this.ids = new Uint32Array(rows * ID_WORDS);
    this.senders = new Uint32Array(rows);
    this.conversations = new Uint32Array(rows);
    this.seqs = new Float64Array(rows);
    this.sentAt = new Float64Array(rows);
    this.positions = new Float64Array(rows);
    this.storedAt = new Float64Array(rows);
    this.digests = Buffer.alloc(rows * DIGEST_BYTES);
    this.messageIds = Buffer.alloc(rows * MESSAGE_ID_BYTES);
  }

  /** Takes `count` rows of another from its row `from` on; they begin at row `at` here. */
  copy(other: Columns, from: number, count: number, at: number): void {
    const mine = this.all();
    for (const [i, { column, width }] of other.all().entries()) {
      mine[i]!.column.set(column.subarray(from * width, (from + count) * width), at * width);
    }
  }

  digest(row: number): string {
    return readText(this.digests, row * DIGEST_BYTES, DIGEST_BYTES);
  }

  messageId(row: number): string {
    return readText(this.messageIds, row * MESSAGE_ID_BYTES, MESSAGE_ID_BYTES);
  }

  setTexts(row: number, digest: string, messageId: string): void {
    writeText(this.digests, row * DIGEST_BYTES, DIGEST_BYTES, digest);
    writeText(this.messageIds, row * MESSAGE_ID_BYTES, MESSAGE_ID_BYTES, messageId);
  }

  private all(): { column: Uint32Array | Float64Array | Uint8Array; width: number }[] {
    const { ids, digests, messageIds, senders, conversations, seqs, sentAt, positions, storedAt } = this;
    const single = [senders, conversations, seqs, sentAt, positions, storedAt].map((column) => ({ column, width: 1 }));
    return [
      { column: ids, width: ID_WORDS },
      { column: digests, width: DIGEST_BYTES },
      { column: messageIds, width: MESSAGE_ID_BYTES },
      ...single,
    ];
  }
}

function writeText(bytes: Uint8Array, at: number, width: number, text: string): void {
  const length = Math.min(width, text.length);
  for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
  if (length < width) bytes.fill(0, at + length, at + width);
}

function readText(bytes: Buffer, at: number, width: number): string {
  let end = at;
  while (end < at + width && bytes[end] !== 0) end++;
  return bytes.toString("latin1", at, end);
}

/** Texts that many refer to, kept once and named by a small number for as long as somebody refers to them. */
class CountedNames {
  private readonly numbers = new Map<string, number>();
  private readonly texts: (string | undefined)[] = [];
  private readonly counts: number[] = [];
  private readonly free: number[] = [];

  get size(): number {
    return this.numbers.size;
  }

  /** One more refers to this text. @returns its number */
  take(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) {
      this.counts[known]!++;
      return known;
    }
    const number = this.free.pop() ?? this.texts.length;
    this.numbers.set(text, number);
    this.texts[number] = text;
    this.counts[number] = 1;
    return number;
  }

  /** The text of a number that `take` gave and that is still referred to. */
  text(number: number): string | undefined {
    return this.texts[number];
  }

  /** One fewer refers to it. */
  release(number: number): void {
    if (--this.counts[number]! > 0) return;
    this.numbers.delete(this.texts[number]!);
    this.texts[number] = undefined;
    this.free.push(number);
  }
}

/**
 * Where an id lies in a hash table, in a way that nobody outside can foresee: clients choose their ids, and ids that fall into
 * one bucket would make each of them cost as much as all together.
 *
 * Each word is multiplied by an odd number of its own, drawn when the process starts, and the highest bits of the sum are
 * taken (multiply-shift, Dietzfelbinger et al. 1997): of any two ids, whoever chose them, at most 2 in `buckets` processes
 * put both into one bucket. A seed that is only mixed into a fixed hash would not do: ids that collide before the mixing
 * collide with every seed.
 */

const WORD_BYTES = 4;

/** One random odd number for each word of an id. */
export function newMultipliers(words: number): Uint32Array {
  const bytes = randomBytes(words * WORD_BYTES);
  return Uint32Array.from({ length: words }, (_, word) => bytes.readUInt32LE(word * WORD_BYTES) | 1);
}

/** @param buckets a power of two, 2 or more */
export function bucketOf(id: Uint32Array, multipliers: Uint32Array, buckets: number): number {
  let sum = 0;
  for (let word = 0; word < multipliers.length; word++) sum = (sum + Math.imul(id[word]!, multipliers[word]!)) | 0;
  return sum >>> (Math.clz32(buckets) + 1);
}
