/** One row per accepted message in arrays of numbers, which the garbage collector neither copies nor looks through. */

/** Of a digest, ASCII; shorter ones end with zeros. */
const DIGEST_BYTES = 16;
/** Of a message id, at most 19 decimal digits. */
const MESSAGE_ID_BYTES = 20;

/** A UUID is four words of 32 bits. */
export const ID_WORDS = 4;

export class Columns {
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
