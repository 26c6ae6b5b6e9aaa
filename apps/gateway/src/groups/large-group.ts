/**
 * One large group, as far as its members are here: who they are, and up to which number they were told.
 *
 * The idea: events come from the owner of the conversation in order, by multicast. One that follows the last is passed
 * on: to devices that look at the conversation the event itself, to all others, now and then, that there is more: at most
 * every 100 ms, and the more seldom the more they are, since telling thousands is a lot of work for a word that waits
 * well. Events also say who comes and goes, so the members follow from them. One that does not follow the last means
 * that something was lost: from then on nothing is passed on until the owner has told again who belongs to the group,
 * and then everybody is told where the conversation stands.
 *
 * Edge cases:
 * - A roster is one of a moment. If somebody came or went after it, by events that were heard already, it is asked again.
 * - Events up to the roster's number that come later are passed over: it has counted them.
 * - A device that cannot take what was passed on is told that there is more, like those that do not look.
 */
import { detached, guarded, sleep } from "@carillon/base";
import type { Bus, GroupRoster } from "@carillon/bus";
import {
  Command,
  decodeEvent,
  encodeFrame,
  encodePulledFrame,
  fitsEvents,
  membershipOf,
  parseSystemContent,
  peekEvent,
} from "@carillon/protocol";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";
import type { GroupOwner } from "./group-owner";

const NOTIFY_EVERY_MS = 100;
/** For so many members more all are told a millisecond later: a gateway with 5,000 tells them every 270 ms. */
const MEMBERS_PER_MS = 30;
const RETRY_MS = 500;
/** Members that are told in one turn of the event loop. */
const NOTIFIED_AT_ONCE = 500;

export interface LargeGroupOptions {
  owner: Pick<GroupOwner, "conversationId" | "listen" | "roster">;
  users: Pick<UserRegistry, "user">;
  bus: Pick<Bus, "clock" | "logger">;
  /** Called once, when nobody here belongs to the group any more, or the group has become small. */
  onEnd: () => void;
}

export class LargeGroup {
  /** Members who are here, with their first numbers. */
  private readonly members = new Map<string, number>();
  /** Users who may belong to the group: the owner is asked. */
  private readonly candidates = new Set<string>();
  /** Devices that look at the conversation. */
  private readonly focused = new Set<Session>();
  /** Those of them that were not given everything. */
  private behind = new Set<Session>();
  /** Everything up to this number was passed on, or told of. */
  private last = 0;
  /** Highest number that was heard of. */
  private seen = 0;
  /** Number of the last event by which somebody came or went. */
  private lastChange = 0;
  /** Something was lost, or nothing is known yet. */
  private isUncertain = true;
  private loading = false;
  private isEnded = false;
  private stopListening: (() => void) | undefined;
  private notifyTimer: NodeJS.Timeout | undefined;
  /** Number that all who do not look were told last, and when. */
  private notified = 0;
  private notifiedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: LargeGroupOptions) {}

  private get conversationId(): string {
    return this.options.owner.conversationId;
  }

  /** Sessions of a user that are here, open or not. */
  private sessions(userId: string): Iterable<Session> {
    return this.options.users.user(userId)?.sessions ?? [];
  }

  /**
   * These users are here, and may belong to the group.
   * @param seq number with which this was said of the group, when an owner has said it
   */
  requestRoster(userIds: Iterable<string>, seq = 0): void {
    this.seen = Math.max(this.seen, seq);
    for (const userId of userIds) this.candidates.add(userId);
    detached("group", this.load());
  }

  /** Something may have been lost. */
  markStale(): void {
    this.isUncertain = true;
    detached("group", this.load());
  }

  /** The owner has said this number. */
  tick(lastSeq: number): void {
    if (lastSeq <= this.last) return;
    this.seen = Math.max(this.seen, lastSeq);
    this.markStale();
  }

  /** The group is said to be small from this number on; it may be old news, of an owner who is none any more. */
  becameSmall(seq: number): void {
    if (this.isUncertain || this.last <= seq) this.markStale();
  }

  /** The user's last session is gone. */
  leave(userId: string): void {
    this.candidates.delete(userId);
    this.remove(userId);
    this.endIfEmpty();
  }

  /** A device looks at the conversation, or no longer does. What it was not told meanwhile, it is told now. */
  focus(session: Session, isFocused: boolean): void {
    this.focused.delete(session);
    this.behind.delete(session);
    const userId = session.identity?.userId;
    // Its connection is gone.
    if (userId === undefined) return;
    if (isFocused && this.members.has(userId)) this.focused.add(session);
    if (this.belongs(userId, this.last) && !this.isUncertain) this.notify([session], this.last);
  }

  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    clearTimeout(this.notifyTimer);
    this.stopListening?.();
    this.options.onEnd();
  }

  /** Events in the order of the conversation. */
  receive(events: Uint8Array[]): void {
    let passed: Uint8Array[] = [];
    for (const event of events) {
      const { seq, kind } = peekEvent(event);
      if (seq <= this.last) continue;
      this.seen = Math.max(this.seen, seq);
      if (this.isUncertain) continue;
      if (seq !== this.last + 1) {
        this.markStale();
        continue;
      }
      this.last = seq;
      passed.push(event);
      if (kind !== "system") continue;
      // Who goes by this event gets it; who comes by it has it in his inbox.
      this.pass(passed);
      passed = [];
      this.follow(event);
    }
    this.pass(passed);
    this.endIfEmpty();
  }

  private follow(event: Uint8Array): void {
    const { seq, senderId, content } = decodeEvent(event);
    const { joined, left } = membershipOf(senderId, parseSystemContent(content));
    if (joined.length + left.length > 0) this.lastChange = seq;
    for (const userId of left) this.remove(userId);
    for (const userId of joined) this.add(userId, seq);
  }

  private add(userId: string, from: number): void {
    const sessions = [...this.sessions(userId)];
    if (sessions.length === 0) return;
    this.members.set(userId, from);
    for (const session of sessions) if (session.focus === this.conversationId) this.focused.add(session);
  }

  private remove(userId: string): void {
    this.members.delete(userId);
    for (const set of [this.focused, this.behind]) {
      for (const session of set) if (session.identity?.userId === userId) set.delete(session);
    }
  }

  /** A roster is of a later moment than what was passed on: who is in it may have come after that. */
  private belongs(userId: string, seq: number): boolean {
    const from = this.members.get(userId);
    return from !== undefined && from <= seq;
  }

  private pass(events: Uint8Array[]): void {
    if (events.length === 0) return;
    const first = peekEvent(events[0]!).seq;
    for (let at = 0; at < events.length && this.focused.size > 0; ) {
      const part = events.slice(at, at + fitsEvents(events.slice(at)));
      at += part.length;
      const { conversationId } = this;
      const page = { conversationId, events: part, lastSeq: first + at - 1, more: at < events.length };
      const frame = encodePulledFrame(0, page);
      for (const session of this.focused) this.show(session, first, frame);
    }
    this.notifySoon();
  }

  private show(session: Session, first: number, frame: Uint8Array): void {
    if (!session.isOpen) return void this.focused.delete(session);
    const mayTake = this.belongs(session.identity!.userId, first) && !session.isSlow && !this.behind.has(session);
    if (mayTake) session.connection.send(frame);
    else this.behind.add(session);
  }

  private notifySoon(): void {
    if (this.isEnded || this.notifyTimer !== undefined) return;
    const pauseMs = NOTIFY_EVERY_MS + this.members.size / MEMBERS_PER_MS;
    const wait = Math.max(0, this.notifiedAt + pauseMs - this.options.bus.clock.monotonic());
    const notifyMembers = () =>
      this.notifyMembers().finally(() => {
        this.notifyTimer = undefined;
        if (this.behind.size > 0 || this.notified < this.last) this.notifySoon();
      });
    this.notifyTimer = setTimeout(guarded("timer", notifyMembers), wait);
  }

  /** Tells all who do not look, or could not be given all, how far the conversation is. */
  private async notifyMembers(): Promise<void> {
    const { behind, last } = this;
    if (last === 0) return;
    this.behind = new Set();
    this.notified = last;
    this.notifiedAt = this.options.bus.clock.monotonic();
    const userIds = [...this.members.keys()];
    for (let at = 0; at < userIds.length; at += NOTIFIED_AT_ONCE) {
      if (at > 0) await new Promise((resolve) => setImmediate(resolve));
      const sessions = userIds
        .slice(at, at + NOTIFIED_AT_ONCE)
        .flatMap((userId) => (this.belongs(userId, last) ? [...this.sessions(userId)] : []));
      this.notify(
        sessions.filter((session) => !this.focused.has(session) || behind.has(session)),
        last,
      );
    }
  }

  private notify(sessions: Iterable<Session>, lastSeq: number): void {
    const frame = encodeFrame(Command.NOTIFY, 0, { conversationId: this.conversationId, lastSeq });
    for (const session of sessions) if (session.isOpen) session.connection.send(frame);
  }

  /** Asks the owner until all is known. */
  private async load(): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    while (!this.isEnded && (this.isUncertain || this.candidates.size > 0)) {
      const isWhole = this.isUncertain;
      const asked = [...new Set([...(isWhole ? this.members.keys() : []), ...this.candidates])];
      this.candidates.clear();
      if (asked.length === 0) this.end();
      else if (!(await this.ask(asked, isWhole))) this.requestRoster(asked);
    }
    this.loading = false;
  }

  /** @returns false when these have to be asked about again */
  private async ask(asked: string[], isWhole: boolean): Promise<boolean> {
    const answer = await this.question(asked);
    if (this.isEnded) this.stopListening?.();
    if (answer !== undefined) return this.take(answer, asked, isWhole);
    await sleep(RETRY_MS);
    return false;
  }

  /** @returns undefined when nobody has answered */
  private async question(asked: string[]): Promise<GroupRoster | undefined> {
    const { owner, bus } = this.options;
    try {
      this.stopListening ??= await owner.listen((events) => this.receive(events));
      return await owner.roster(asked);
    } catch (err) {
      bus.logger.debug({ conversationId: this.conversationId, err }, "the owner of a group is asked again");
      return undefined;
    }
  }

  private take({ isLarge, lastSeq, members }: GroupRoster, asked: string[], isWhole: boolean): boolean {
    if (this.isEnded) return true;
    // Of one who was the owner, and has not noticed yet that he is none any more, or of before what was heard since.
    const isOld = isWhole ? lastSeq < this.seen : lastSeq < this.lastChange;
    if (isOld) return false;
    if (!isLarge) {
      // Who came meanwhile has heard of it later than the owner's answer was given.
      if (this.candidates.size > 0) return true;
      detached("group", this.notifyMembers());
      this.end();
      return true;
    }
    const from = new Map(members);
    for (const userId of asked) {
      const first = from.get(userId);
      if (first === undefined) this.remove(userId);
      else this.add(userId, first);
    }
    if (isWhole) {
      this.last = lastSeq;
      this.lastChange = lastSeq;
      this.isUncertain = false;
      // Those who look were given nothing meanwhile.
      this.behind = new Set(this.focused);
      detached("group", this.notifyMembers());
    } else this.notify(this.sessionsOf(from.keys()), Math.max(lastSeq, this.last));
    this.endIfEmpty();
    return true;
  }

  private *sessionsOf(userIds: Iterable<string>): Generator<Session> {
    for (const userId of userIds) yield* this.sessions(userId);
  }

  private endIfEmpty(): void {
    if (this.members.size === 0 && this.candidates.size === 0 && !this.loading) this.end();
  }
}
