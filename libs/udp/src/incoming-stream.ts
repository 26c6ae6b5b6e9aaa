/** The receiving half of a stream over datagrams: puts segments in order, and drops what comes twice. */
import type { Range } from "./parts";
import { udp } from "./sizes";

interface Early {
  offset: number;
  bytes: Buffer;
}

export class IncomingStream {
  private receivedBytes = 0;
  /** Segments behind a gap, by offset; they may overlap. */
  private early: Early[] = [];
  private earlyBytes = 0;

  /** Bytes that have come without a gap. */
  get received(): number {
    return this.receivedBytes;
  }

  /** Whether segments wait for one before them. */
  get hasGap(): boolean {
    return this.early.length > 0;
  }

  /** The bytes behind gaps that have come, ascending: the first ones. */
  get ranges(): Range[] {
    const ranges: Range[] = [];
    for (const { offset, bytes } of this.early) {
      const last = ranges.at(-1);
      const to = offset + bytes.length;
      if (last !== undefined && offset <= last.to) last.to = Math.max(last.to, to);
      else if (ranges.length === udp.mostRanges) break;
      else ranges.push({ from: offset, to });
    }
    return ranges;
  }

  /** Takes a segment. @returns the bytes whose turn it is now, in order */
  take(offset: number, bytes: Buffer): Buffer[] {
    if (offset > this.receivedBytes) {
      this.keep(offset, bytes);
      return [];
    }
    const ready: Buffer[] = [];
    this.release(offset, bytes, ready);
    while (this.early.length > 0 && this.early[0]!.offset <= this.receivedBytes) {
      const next = this.early.shift()!;
      this.earlyBytes -= next.bytes.length;
      this.release(next.offset, next.bytes, ready);
    }
    return ready;
  }

  private release(offset: number, bytes: Buffer, ready: Buffer[]): void {
    const fresh = bytes.subarray(this.receivedBytes - offset);
    if (fresh.length === 0) return;
    this.receivedBytes += fresh.length;
    ready.push(fresh);
  }

  /** Keeps a segment that is not beyond the window. The bytes are copied, because their datagram is larger. */
  private keep(offset: number, bytes: Buffer): void {
    const isBeyond = offset + bytes.length > this.receivedBytes + udp.windowBytes;
    if (bytes.length === 0 || isBeyond || this.earlyBytes + bytes.length > udp.windowBytes) return;
    let at = this.early.length;
    while (at > 0 && this.early[at - 1]!.offset > offset) at--;
    const before = this.early[at - 1];
    if (before !== undefined && before.offset + before.bytes.length >= offset + bytes.length) return;
    this.early.splice(at, 0, { offset, bytes: Buffer.from(bytes) });
    this.earlyBytes += bytes.length;
  }
}
