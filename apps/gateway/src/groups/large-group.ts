/**
 * One large group: its members who are here, and the number up to which they were told of its events.
 *
 * The idea: the owner of the conversation publishes events in order to all gateways with members. The gateway passes on an
 * event that follows the last one. Devices that look at the conversation get the event itself. All other devices get a NOTIFY
 * with the last number: at most every 100 ms, and less often the more members are here, because notifying thousands is a lot
 * of work for news that can wait. Events also say which users join and leave, so the gateway derives the members from them.
 * An event that does not follow the last one means that events were lost. From then on the gateway passes nothing on until
 * the owner has sent a new roster; then all members here are told the last number.
 *
 * Edge cases:
 * - A roster describes one moment. If an event that was received already says that members joined or left after that moment,
 *   the gateway asks for a roster again.
 * - Events up to the roster's number that arrive later are ignored: the roster includes them.
 * - A device that could not be sent an event gets a NOTIFY, like devices that do not look at the conversation.
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
/** So many members add one millisecond between two NOTIFYs: 5,000 members are notified every 270 ms. */
const MEMBERS_PER_MS = 30;
const RETRY_MS = 500;
/** Members who are notified in one turn of the event loop. */
const NOTIFIED_AT_ONCE = 500;

export interface LargeGroupOptions {
  owner: Pick<GroupOwner, "conversationId" | "listen" | "roster">;
  users: Pick<UserRegistry, "user">;
  bus: Pick<Bus, "clock" | "logger">;
  /** Called once, when nobody here belongs to the group any more, or the group has become small. */
  onEnd: () => void;
}

export class LargeGroup {
  /** Members who are here, each with the first number that they may see. */
  private readonly members = new Map<string, number>();
  /** Users who may belong to the group: the owner has to be asked about them. */
  private readonly candidates = new Set<string>();
  /** Devices that look at the conversation. */
  private readonly focused = new Set<Session>();
  /** Those of them that were not sent every event. */
  private behind = new Set<Session>();
  /** Members were sent, or told of, everything up to this number. */
  private last = 0;
  /** Highest number of which this gateway has heard. */
  private seen = 0;
  /** Number of the last event by which a member joined or left. */
  private lastChange = 0;
  /** Whether events may be lost, or no roster has arrived yet. */
  private isUncertain = true;
  private loading = false;
  private isEnded = false;
  private stopListening: (() => void) | undefined;
  private notifyTimer: NodeJS.Timeout | undefined;
  /** Number that was in the last NOTIFY to devices that do not look at the conversation, and its monotonic time. */
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
   * Asks the owner about these users, who are here and may belong to the group.
   * @param seq number of the event by which an owner has said so; 0: none
   */
  requestRoster(userIds: Iterable<string>, seq = 0): void {
    this.seen = Math.max(this.seen, seq);
    for (const userId of userIds) this.candidates.add(userId);
    detached("group", this.load());
  }

  /** Events may be lost: the owner is asked for a new roster. */
  markStale(): void {
    this.isUncertain = true;
    detached("group", this.load());
  }

  /** The owner names the last number of the conversation. */
  tick(lastSeq: number): void {
    if (lastSeq <= this.last) return;
    this.seen = Math.max(this.seen, lastSeq);
    this.markStale();
  }

  /** A worker says that the group is small from this number on. The news may be old: of a former owner. */
  becameSmall(seq: number): void {
    if (this.isUncertain || this.last <= seq) this.markStale();
  }

  /** The user's last session here is closed. */
  leave(userId: string): void {
    this.candidates.delete(userId);
    this.remove(userId);
    this.endIfEmpty();
  }

  /** The device begins or ceases to look at the conversation. It gets a NOTIFY with the last number. */
  focus(session: Session, isFocused: boolean): void {
    this.focused.delete(session);
    this.behind.delete(session);
    const userId = session.identity?.userId;
    // The connection is closed.
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

  /** Takes events in the order of the conversation. */
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
      // A member who leaves by this event gets it here; a user who joins by it has it in their inbox.
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

  /** Whether the user may see the event `seq`: a roster may be newer than the event, and name members who joined later. */
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

  /** Sends NOTIFY to all devices that do not look at the conversation, or were not sent every event. */
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

  /** Asks the owner until no user is left to ask about, and the group is certain. */
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

  /** @returns false when the owner has to be asked about these users again */
  private async ask(asked: string[], isWhole: boolean): Promise<boolean> {
    const answer = await this.question(asked);
    if (this.isEnded) this.stopListening?.();
    if (answer !== undefined) return this.take(answer, asked, isWhole);
    await sleep(RETRY_MS);
    return false;
  }

  /** @returns undefined when the owner has not answered */
  private async question(asked: string[]): Promise<GroupRoster | undefined> {
    const { owner, bus } = this.options;
    try {
      this.stopListening ??= await owner.listen((events) => this.receive(events));
      return await owner.roster(asked);
    } catch (err) {
      bus.logger.debug(
        { conversationId: this.conversationId, err },
        "the owner of a group did not answer, the gateway asks again",
      );
      return undefined;
    }
  }

  private take({ isLarge, lastSeq, members }: GroupRoster, asked: string[], isWhole: boolean): boolean {
    if (this.isEnded) return true;
    // The answer is of a former owner, or older than events that have arrived since.
    const isOld = isWhole ? lastSeq < this.seen : lastSeq < this.lastChange;
    if (isOld) return false;
    if (!isLarge) {
      // Users who were added meanwhile may know of the group from news that is newer than this answer.
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
      // Devices that look at the conversation were sent nothing meanwhile.
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
