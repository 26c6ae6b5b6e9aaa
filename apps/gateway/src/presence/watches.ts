/**
 * WATCH_PRESENCE: which devices here want to know whether which users are online.
 *
 * The idea: a user who is watched by anybody here is listened to, and asked for once: where he is now, and which of the
 * watchers may see him. From then on the gateways tell what changes. Changes are gathered for a moment, so that five
 * hundred friends who come at once are some frames, not five hundred.
 *
 * Edge cases:
 * - Who may not see somebody sees him as one who is never there, which is what one who does not exist looks like.
 * - When news may be lost, or two users are no longer what they were to each other, all of it is asked again; until then
 *   those two do not see each other.
 * - A gateway that dies says nothing more of its users: they are gone when it is out of the view.
 */
import { GroupCommit, getOrSet, PacedJob, sleep } from "@carillon/base";
import type { PresenceFound, PresenceNews, PresenceRead } from "@carillon/bus";
import { Command, limits, type UserPresence } from "@carillon/protocol";
import type { Session } from "../session/session";
import { WatchedUser } from "./watched-user";

const GATHER_MS = 250;
const RETRY_MS = 1_000;
const DOUBT_AT_MOST_EVERY_MS = 2_000;
/** Of one question: about a watcher each, 64 users at most. */
const PARTS_PER_QUESTION = 32;
const MOST_PARTS_WAITING = 1_000_000;

export interface WatchesOptions {
  /** Listens to what gateways tell of a user. @returns ends it */
  listen(userId: string, onNews: (news: PresenceNews) => void): () => void;
  /** Resolves when whatever is told from now on is heard. */
  settled(): Promise<void>;
  /** Asks a worker. @throws CarillonError BUSY */
  find(question: PresenceRead): Promise<PresenceFound>;
  /** Whether a gateway is in the view. */
  isThere(gateway: string, boot: string): boolean;
  now(): number;
}

/** Users of whom one session has to learn. */
interface Part {
  session: Session;
  userIds: string[];
  /** It wants to hear of all of them, not only of those who have changed. */
  isNew: boolean;
}

export class Watches {
  private readonly users = new Map<string, WatchedUser>();
  /** What each session watches. */
  private readonly bySession = new Map<Session, Set<string>>();
  private readonly questions: GroupCommit<Part>;
  private readonly changed = new Set<WatchedUser>();
  private timer: NodeJS.Timeout | undefined;
  private readonly stopping = new AbortController();
  private readonly doubts = new PacedJob(
    async () => {
      for (const [session, watched] of this.bySession) this.enquire(session, watched, false);
    },
    DOUBT_AT_MOST_EVERY_MS,
    () => {},
  );

  constructor(private readonly options: WatchesOptions) {
    this.questions = new GroupCommit({
      commit: (parts) => this.ask(parts),
      maxItems: PARTS_PER_QUESTION,
      maxWaiting: MOST_PARTS_WAITING,
    });
  }

  /** @returns false when the connection would watch more users than it may */
  watch(session: Session, userIds: string[], on: boolean): boolean {
    const watched = this.bySession.get(session) ?? new Set<string>();
    if (!on) {
      this.unwatch(session, userIds);
      return true;
    }
    const wanted = [...new Set(userIds)];
    const added = wanted.filter((userId) => !watched.has(userId));
    if (watched.size + added.length > limits.maxWatchedUsers) return false;
    this.bySession.set(session, watched);
    for (const userId of added) {
      watched.add(userId);
      getOrSet(this.users, userId, () => this.follow(userId)).watchers.set(session, false);
    }
    this.enquire(session, added, true);
    // Of those that it watched before it is told at once; behind the answer to its request.
    const known = wanted.filter((userId) => !added.includes(userId));
    queueMicrotask(() => send(session, this.shownTo(session, known)));
    return true;
  }

  private shownTo(session: Session, userIds: string[]): UserPresence[] {
    return userIds.flatMap((userId) => {
      const user = this.users.get(userId);
      const maySee = user?.watchers.get(session);
      return maySee === undefined ? [] : [maySee ? user!.presence : user!.hidden];
    });
  }

  /** A session is gone. */
  left(session: Session): void {
    const watched = this.bySession.get(session);
    if (watched !== undefined) this.unwatch(session, [...watched]);
  }

  /** What these pairs of users are to each other has changed. */
  forget(pairs: [string, string][]): void {
    for (const [a, b] of pairs) {
      this.doubtPair(a, b);
      this.doubtPair(b, a);
    }
  }

  /** The view of gateways has changed. */
  compareGateways(): void {
    const { isThere, now } = this.options;
    for (const user of this.users.values()) {
      user.keepThere(isThere, now());
      this.tellSoon(user);
    }
  }

  /** News may be lost. */
  doubt(): void {
    this.doubts.request();
  }

  stop(): void {
    this.stopping.abort();
    this.doubts.stop();
    clearTimeout(this.timer);
    for (const user of this.users.values()) user.stopListening();
  }

  private follow(userId: string): WatchedUser {
    const user: WatchedUser = new WatchedUser(
      userId,
      this.options.listen(userId, (news) => {
        user.hear(news);
        this.tellSoon(user);
      }),
    );
    return user;
  }

  private unwatch(session: Session, userIds: string[]): void {
    const watched = this.bySession.get(session);
    for (const userId of userIds) {
      const user = this.users.get(userId);
      watched?.delete(userId);
      user?.watchers.delete(session);
      if (user === undefined || user.watchers.size > 0) continue;
      user.stopListening();
      this.users.delete(userId);
      this.changed.delete(user);
    }
    if (watched?.size === 0) this.bySession.delete(session);
  }

  private doubtPair(watcherId: string, userId: string): void {
    const user = this.users.get(userId);
    for (const [session, maySee] of user?.watchers ?? []) {
      if (session.identity?.userId !== watcherId) continue;
      user!.watchers.set(session, false);
      if (maySee) send(session, [user!.hidden]);
      this.enquire(session, [userId], false);
    }
  }

  private enquire(session: Session, users: Iterable<string>, isNew: boolean): void {
    const userIds = [...users];
    for (let at = 0; at < userIds.length; at += limits.maxWatchedUsersPerFrame) {
      this.questions.add({ session, userIds: userIds.slice(at, at + limits.maxWatchedUsersPerFrame), isNew });
    }
  }

  private async ask(parts: Part[]): Promise<void> {
    const { settled, find } = this.options;
    const open = parts.filter(({ session }) => session.isOpen);
    const wanted = open.map(({ session, userIds }): [string, string[]] => [session.identity!.userId, userIds]);
    for (const userId of wanted.flatMap(([, userIds]) => userIds)) this.users.get(userId)?.ask();
    try {
      await settled();
      const { visible, users } = await find({ wanted });
      for (const user of users) this.users.get(user.userId)?.learn(user);
      for (const [i, part] of open.entries()) this.show(part, new Set(visible[i]!));
    } catch {
      await sleep(RETRY_MS, this.stopping.signal);
      if (!this.stopping.signal.aborted) for (const part of open) this.questions.add(part);
    }
  }

  /** The session learns of those that it asked for, and of those whom it may see now or no longer. */
  private show({ session, userIds, isNew }: Part, visible: Set<string>): void {
    const shown: UserPresence[] = [];
    for (const userId of userIds) {
      const user = this.users.get(userId);
      const before = user?.watchers.get(session);
      // It does not watch him any more.
      if (user === undefined || before === undefined) continue;
      const maySee = visible.has(userId);
      user.watchers.set(session, maySee);
      if (isNew || maySee !== before) shown.push(maySee ? user.presence : user.hidden);
      if (user.isUntold) user.hasNews();
      else this.tellSoon(user);
    }
    send(session, shown);
  }

  private tellSoon(user: WatchedUser): void {
    this.changed.add(user);
    this.timer ??= setTimeout(() => this.tell(), GATHER_MS);
  }

  private tell(): void {
    this.timer = undefined;
    const news = new Map<Session, UserPresence[]>();
    for (const user of this.changed) {
      if (!user.hasNews()) continue;
      const { presence } = user;
      for (const [session, maySee] of user.watchers) {
        if (maySee) getOrSet(news, session, (): UserPresence[] => []).push(presence);
      }
    }
    this.changed.clear();
    for (const [session, users] of news) send(session, users);
  }
}

function send(session: Session, users: UserPresence[]): void {
  if (!session.isOpen) return;
  for (let at = 0; at < users.length; at += limits.maxEntries) {
    session.reply(Command.PRESENCE, 0, { users: users.slice(at, at + limits.maxEntries) });
  }
}
