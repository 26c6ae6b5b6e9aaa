/**
 * A hashed timing wheel (Varghese and Lauck, 1987) for tens of thousands of deadlines, most of which are moved or
 * cancelled before they are due: heartbeats, log-in deadlines, resends. Setting and cancelling cost one operation on a Set,
 * and one interval serves all entries.
 *
 * An entry lies in slot (due mod slots). The wheel meets an entry that is due in a later round too early, and puts it back.
 * An entry fires up to one tick late, and never early.
 */
import { guarded, reportCaught } from "../boundary";

export interface WheelEntry {
  /** The wheel calls it once when the entry is due. It may set the entry again. */
  readonly expire: () => void;
  /** Tick at which the entry is due; negative while the entry is not in the wheel. */
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

  /** Makes an entry due in `ms`; moves an entry that is set already. */
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

  /** Runs all entries that are due. The interval calls it; tests call it themselves. */
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
          // The other entries of this tick are due anyway.
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
