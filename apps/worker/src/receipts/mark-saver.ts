/** Delivered marks on their way to MySQL: gathered for seconds, since of many of a conversation only the last counts. */
import { guarded } from "@carillon/base";
import { TIMINGS } from "@carillon/bus";
import type { MarkUpdate } from "@carillon/store";

const ROWS_AT_ONCE = 1_000;

/** The marks that one turn writes. */
interface Turn {
  /** ms, of the first of them. */
  since: number;
  marks: Map<string, MarkUpdate>;
  done: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

export class MarkSaver {
  private turn: Turn | undefined;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param write moves marks forward in MySQL
   * @param onSaved told of marks that MySQL has now, and since when (ms) they were on their way
   */
  constructor(
    private readonly write: (updates: MarkUpdate[]) => Promise<void>,
    private readonly onSaved: (updates: MarkUpdate[], since: number) => void,
  ) {}

  /**
   * @param now ms
   * @returns when MySQL has them; rejects when it did not take them, and nothing is kept then
   */
  async save(updates: MarkUpdate[], now: number): Promise<void> {
    if (updates.length === 0) return;
    this.turn ??= newTurn(now);
    const { marks, done } = this.turn;
    for (const { conversationId, userId, read, delivered } of updates) {
      const key = `${conversationId} ${userId}`;
      const known = marks.get(key) ?? { read: 0, delivered: 0 };
      marks.set(key, {
        conversationId,
        userId,
        read: Math.max(read, known.read),
        delivered: Math.max(delivered, known.delivered),
      });
    }
    this.timer ??= setTimeout(
      guarded("timer", () => this.flush()),
      TIMINGS.gatherMarksMs,
    );
    await done;
  }

  /** Writes what waits, now. */
  async flush(): Promise<void> {
    const { turn } = this;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.turn = undefined;
    if (turn === undefined) return;
    const updates = [...turn.marks.values()];
    try {
      for (let at = 0; at < updates.length; at += ROWS_AT_ONCE) await this.write(updates.slice(at, at + ROWS_AT_ONCE));
      turn.resolve();
      this.onSaved(updates, turn.since);
    } catch (error) {
      turn.reject(error as Error);
    }
  }
}

function newTurn(since: number): Turn {
  const turn = { since, marks: new Map<string, MarkUpdate>() } as Turn;
  turn.done = new Promise<void>((resolve, reject) => Object.assign(turn, { resolve, reject }));
  return turn;
}
