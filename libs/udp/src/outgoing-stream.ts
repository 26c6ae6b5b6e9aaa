/**
 * The sending half of a stream over datagrams: cuts it into segments, and repeats those that were lost.
 *
 * A segment counts as lost when three segments that were sent after it have arrived, or when nothing has arrived for longer
 * than the round trip can take (RFC 9002, sections 6.1.1 and 6.2; the round trip is estimated as in RFC 6298). The part of the window
 * that is in use shrinks with losses and grows with what arrives, so that a slow link is not flooded.
 */
import type { Range } from "./parts";
import { udp } from "./sizes";

export interface Segment {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Monotonic ms at which it was sent last. */
  sentAt: number;
  sends: number;
  /** Its place in the order in which segments were sent. */
  order: number;
  isLost: boolean;
}

/** Segments that arrive after a later one, and are still expected. */
const REORDERED = 3;
const LEAST_WINDOW = 4 * udp.segmentBytes;
const FIRST_WINDOW = 16 * udp.segmentBytes;
const AFTER_LOSS = 0.7;

export class OutgoingStream {
  private unsent: Uint8Array[] = [];
  private unsentBytes = 0;
  /** Segments without an acknowledgement, by offset. */
  private inFlight: Segment[] = [];
  private inFlightBytes = 0;
  private end = 0;
  private sends = 0;
  private window: number = FIRST_WINDOW;
  /** Segments sent before this one do not shrink the window again. */
  private recoveryOrder = 0;
  private smoothedMs = 0;
  private deviationMs = 0;
  private timeouts = 0;

  /** Bytes that the other side has not acknowledged. */
  get waitingBytes(): number {
    return this.unsentBytes + this.inFlightBytes;
  }

  /** Monotonic ms at which `timeOut` has to be called; undefined: nothing is under way. */
  get deadline(): number | undefined {
    const oldest = this.inFlight.find(({ isLost }) => !isLost);
    return oldest === undefined ? undefined : oldest.sentAt + this.resendMs;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.unsent.push(bytes);
    this.unsentBytes += bytes.length;
  }

  /** Returns the next segment that may be sent now, and counts it as sent. @param most its bytes at most */
  next(now: number, most: number): Segment | undefined {
    const lost = this.inFlight.find(({ isLost }) => isLost);
    const segment = lost ?? (this.inFlightBytes < this.window ? this.cut(most) : undefined);
    if (segment === undefined || segment.bytes.length > most) return undefined;
    segment.isLost = false;
    segment.sentAt = now;
    segment.sends++;
    segment.order = ++this.sends;
    return segment;
  }

  /** @param received bytes that the other side has without a gap @param ranges bytes that it has behind gaps */
  acknowledge(received: number, ranges: readonly Range[], now: number): void {
    const left: Segment[] = [];
    let latest: Segment | undefined;
    for (const segment of this.inFlight) {
      const to = segment.offset + segment.bytes.length;
      const hasCome = to <= received || ranges.some((range) => range.from <= segment.offset && to <= range.to);
      if (!hasCome) {
        left.push(segment);
        continue;
      }
      this.inFlightBytes -= segment.bytes.length;
      this.window = Math.min(udp.windowBytes, this.window + segment.bytes.length);
      if (latest === undefined || segment.order > latest.order) latest = segment;
    }
    if (latest === undefined) return;
    this.inFlight = left;
    this.timeouts = 0;
    // A repeated segment does not tell which of its datagrams has arrived (Karn's rule).
    if (latest.sends === 1) this.measure(now - latest.sentAt);
    for (const segment of left) if (segment.order + REORDERED <= latest.order) this.lose(segment);
  }

  /** Called at the deadline: what is under way counts as lost. */
  timeOut(now: number): void {
    const { resendMs } = this;
    for (const segment of this.inFlight) if (segment.sentAt + resendMs <= now) segment.isLost = true;
    this.window = LEAST_WINDOW;
    this.recoveryOrder = this.sends;
    this.timeouts++;
  }

  private get resendMs(): number {
    const isKnown = this.smoothedMs > 0;
    const estimate = isKnown ? this.smoothedMs + 4 * this.deviationMs : udp.firstResendMs;
    return Math.min(udp.mostResendMs, Math.max(udp.leastResendMs, estimate) * 2 ** this.timeouts);
  }

  private measure(ms: number): void {
    if (this.smoothedMs === 0) {
      this.smoothedMs = Math.max(ms, 1);
      this.deviationMs = ms / 2;
      return;
    }
    this.deviationMs += (Math.abs(ms - this.smoothedMs) - this.deviationMs) / 4;
    this.smoothedMs += (ms - this.smoothedMs) / 8;
  }

  private lose(segment: Segment): void {
    if (segment.isLost) return;
    segment.isLost = true;
    if (segment.order <= this.recoveryOrder) return;
    this.recoveryOrder = this.sends;
    this.window = Math.max(LEAST_WINDOW, this.window * AFTER_LOSS);
  }

  /** Cuts the next segment off what was not sent yet. */
  private cut(most: number): Segment | undefined {
    const length = Math.min(this.unsentBytes, udp.segmentBytes, most);
    if (length <= 0) return undefined;
    const bytes = this.takeUnsent(length);
    const segment = { offset: this.end, bytes, sentAt: 0, sends: 0, order: 0, isLost: false };
    this.end += bytes.length;
    this.inFlight.push(segment);
    this.inFlightBytes += bytes.length;
    return segment;
  }

  private takeUnsent(length: number): Uint8Array {
    this.unsentBytes -= length;
    // An emptied list keeps its room; there are ten thousands of them.
    if (this.unsentBytes === 0 && this.unsent.length === 1) {
      const [last] = this.unsent as [Uint8Array];
      this.unsent = [];
      return last;
    }
    const first = this.unsent[0]!;
    if (first.length === length) return this.unsent.shift()!;
    if (first.length > length) {
      this.unsent[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    const whole = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; ) {
      const piece = this.unsent[0]!.subarray(0, length - at);
      whole.set(piece, at);
      at += piece.length;
      if (piece.length === this.unsent[0]!.length) this.unsent.shift();
      else this.unsent[0] = this.unsent[0]!.subarray(piece.length);
    }
    return whole;
  }
}
