/** A conversation in the model: its events, and the users who may see each. */
import type { Arrangement } from "./operations";

export interface ModelEvent {
  kind: "message" | "system" | "recall";
  who: number;
  /** Text of a message, kind of a change, or the number of the recalled message. */
  what: string;
  isRecalled: boolean;
  /** Number of the event that recalled it. */
  recalledBy?: number;
}

/** A conversation in a member's list. */
export interface Row {
  lastSeq: number;
  readSeq: number;
  unread: number;
  pinned: boolean;
  muted: boolean;
  peerReadSeq?: number;
  peerDeliveredSeq?: number;
}

export class Conversation {
  readonly events: ModelEvent[] = [];
  /** By person: their stays, from a number to a number. */
  private readonly stays = new Map<number, { from: number; to: number }[]>();
  /** By person: the number up to which they have read, and their settings of the conversation, since their last join. */
  private readonly read = new Map<number, number>();
  private readonly arranged = new Map<number, { pinned: boolean; muted: boolean; clearedSeq: number }>();

  add(kind: ModelEvent["kind"], who: number, what: string): string {
    this.events.push({ kind, who, what, isRecalled: false });
    return `SENT ${this.lastSeq}`;
  }

  get lastSeq(): number {
    return this.events.length;
  }

  /** Makes a person a member from the newest event on, with nothing read. */
  enter(who: number): void {
    const stays = this.stays.get(who) ?? [];
    this.read.set(who, 0);
    this.arranged.set(who, { pinned: false, muted: false, clearedSeq: 0 });
    this.stays.set(who, [...stays, { from: Math.max(1, this.lastSeq), to: Number.POSITIVE_INFINITY }]);
  }

  /** Makes the newest event the last one of a member. */
  leave(who: number): void {
    this.stays.get(who)!.at(-1)!.to = this.lastSeq;
    this.arranged.delete(who);
  }

  maySee(who: number, seq: number): boolean {
    return (this.stays.get(who) ?? []).some(({ from, to }) => from <= seq && seq <= to);
  }

  isMember(who: number): boolean {
    return this.stays.get(who)?.at(-1)?.to === Number.POSITIVE_INFINITY;
  }

  readUpTo(who: number, seq: number): string {
    if (!this.isMember(who)) return "NO_SUCH_CONVERSATION";
    this.read.set(who, Math.max(seq, this.read.get(who) ?? 0));
    return "ok";
  }

  arrange(who: number, how: Arrangement): string {
    const arranged = this.arranged.get(who);
    if (arranged === undefined || this.lastSeq === 0) return "NO_SUCH_CONVERSATION";
    if (how === "pin" || how === "unpin") arranged.pinned = how === "pin";
    else if (how === "mute" || how === "unmute") arranged.muted = how === "mute";
    else arranged.clearedSeq = this.lastSeq;
    return "ok";
  }

  /** Returns the first number of the person's last stay. */
  startOf(who: number): number {
    return this.stays.get(who)?.at(-1)?.from ?? 0;
  }

  /** Returns the row of a member's list when all devices have every event. @param peer of a private conversation */
  rowOf(who: number, peer?: number): Row | undefined {
    if (!this.isMember(who) || this.lastSeq === 0) return undefined;
    const readSeq = this.read.get(who) ?? 0;
    const { pinned, muted, clearedSeq } = this.arranged.get(who)!;
    const { from } = this.stays.get(who)!.at(-1)!;
    const above = Math.max(readSeq, clearedSeq, from - 1);
    const unread = this.events.filter(
      (event, i) => event.kind === "message" && event.who !== who && !event.isRecalled && i + 1 > above,
    ).length;
    const row = { lastSeq: this.lastSeq, readSeq, unread, pinned, muted };
    if (peer === undefined) return row;
    const peerReadSeq = this.read.get(peer) ?? 0;
    const delivered = 1 + this.events.findLastIndex((event) => event.who !== peer);
    return { ...row, peerReadSeq, peerDeliveredSeq: Math.max(peerReadSeq, delivered) };
  }

  /** @returns the name of the error, or SENT */
  recall(who: number, seq: number, isAdmin: boolean): string {
    const target = this.events[seq - 1];
    if (target === undefined) return "NO_SUCH_MESSAGE";
    if (target.kind !== "message" || target.isRecalled) return "RECALL_NOT_ALLOWED";
    if (!isAdmin && target.who !== who) return "RECALL_NOT_ALLOWED";
    target.isRecalled = true;
    target.recalledBy = this.lastSeq + 1;
    return this.add("recall", who, `${seq}`);
  }

  /** Whether a device of this person may have shown these lines in the end. */
  isViewOf(who: number, seen: string[]): boolean {
    const lines = this.viewOf(who);
    return seen.length === lines.length && seen.every((line, i) => line === lines[i] || this.isKept(who, line));
  }

  /** A former member may keep a message that their device showed before it was recalled. */
  private isKept(who: number, line: string): boolean {
    const seq = Number.parseInt(line, 10);
    const event = this.events[seq - 1];
    if (event?.recalledBy === undefined || this.maySee(who, event.recalledBy)) return false;
    return line === lineOf(seq, { ...event, isRecalled: false });
  }

  /** Returns the lines of this person's history, without the cleared messages. */
  historyOf(who: number): string[] {
    const { clearedSeq = 0 } = this.arranged.get(who) ?? {};
    return this.viewOf(who).filter((line) => Number.parseInt(line, 10) > clearedSeq);
  }

  /** Returns the lines that this person's devices show in the end. */
  viewOf(who: number): string[] {
    return this.events.flatMap((event, index) => (this.maySee(who, index + 1) ? [lineOf(index + 1, event)] : []));
  }
}

/** Formats an event for comparison. */
export function lineOf(seq: number, { kind, who, what, isRecalled }: ModelEvent): string {
  return `${seq} ${kind} of ${who}: ${isRecalled ? "(taken back)" : what}`;
}
