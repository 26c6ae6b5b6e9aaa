/**
 * A hashed timing wheel (Varghese and Lauck, 1987) for tens of thousands of deadlines that are mostly moved or
 * cancelled before they are due: heartbeats, log-in deadlines, resends. Setting and cancelling cost a Set
 * operation, and one interval serves all.
 *
 * An entry sits in slot (due mod slots); an entry whose due tick is rounds ahead is met early and put back.
 * Precision is one tick, late by up to one tick, never early.
 */
import { guarded, reportCaught } from "../boundary";

export interface WheelEntry {
  /** Called once when due. May set the entry again. */
  readonly expire: () => void;
  /** Due tick; negative while the entry is not in the wheel. */
  due: number;
}

export class TimerWheel {
  private readonly slots: Set<WheelEntry>[];
  private tick: number;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly tickMs = 100,
    slotCount = 512,
    private readonly monotonic: () => number = () => performance.now(),
  ) {
    this.slots = Array.from({ length: slotCount }, () => new Set());
    this.tick = this.currentTick();
  }

  start(): void {
    this.tick = this.currentTick();
    this.timer = setInterval(
      guarded("timer", () => this.advance()),
      this.tickMs,
    );
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Makes an entry due in `ms` from now; one that is set already is moved. */
  set(entry: WheelEntry, ms: number): void {
    this.cancel(entry);
    entry.due = Math.max(this.tick + 1, Math.ceil((this.monotonic() + ms) / this.tickMs));
    this.slotOf(entry).add(entry);
  }

  cancel(entry: WheelEntry): void {
    if (entry.due < 0) return;
    this.slotOf(entry).delete(entry);
    entry.due = -1;
  }

  /** Runs what is due by now. Called by the interval; tests call it themselves. */
  advance(): void {
    const now = this.currentTick();
    // After a long stall one turn of the wheel meets every entry; more turns would meet them again.
    if (now - this.tick > this.slots.length) this.tick = now - this.slots.length;
    while (this.tick < now) {
      this.tick++;
      const slot = this.slots[this.tick % this.slots.length]!;
      for (const entry of [...slot]) {
        // An entry before this one may have moved or cancelled it.
        if (entry.due < 0 || entry.due > now) continue;
        slot.delete(entry);
        entry.due = -1;
        try {
          entry.expire();
        } catch (error) {
          // The others of this tick are due all the same.
          reportCaught("timer", error);
        }
      }
    }
  }

  private currentTick(): number {
    return Math.floor(this.monotonic() / this.tickMs);
  }

  private slotOf(entry: WheelEntry): Set<WheelEntry> {
    return this.slots[entry.due % this.slots.length]!;
  }
}
