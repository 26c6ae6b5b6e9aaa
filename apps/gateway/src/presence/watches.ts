/**
 * WATCH_PRESENCE: which devices here want to know whether which users are online.
 *
 * The idea: a user who is watched by anybody here is listened to, and asked for once: where he is now, and which of the
 * watchers may see him. From then on the gateways tell what changes. Changes are gathered for a moment, so that five
 * hundred friends who come at once are some frames, not five hundred.
 *
 * Edge cases:
 * - Who may not see somebody sees him as one who is never there, which is what one who does not exist looks like.
 * - When two users are no longer what they were to each other, it is asked again; until then they do not see each other, and
 *   an answer that was on its way does not change that.
 * - When news may be lost, all of it is asked again; and once more when workers have forgotten for certain who was whose
 *   friend, since what was lost may have been that somebody is no longer to be seen.
 * - A gateway that dies says nothing more of its users: they are gone when it is out of the view, and there again if it is.
 *   Answers name all that is registered; which of it counts is for the view here to say, and it is looked again and again.
 * - What waits to be asked is bounded by what is watched, however often a client asks for it.
 */
import { type Clock, getOrSet, guarded, PacedJob, sleep } from "@carillon/base";
import { TIMINGS } from "@carillon/bus";
import { Command, limits, type UserPresence, type WatchPresencePayload } from "@carillon/protocol";
import type { GatewayCluster } from "../session/placement";
import type { Session } from "../session/session";
import { REPAIR_EVERY_MS } from "../timings";
import type { PresenceNetwork } from "./local-presence";
import { WatchedUser } from "./watched-user";

const GATHER_MS = 250;
const RETRY_MS = 1_000;
const COMPARE_EVERY_MS = 5_000;
/** About so many pairs is asked at once. */
const PAIRS_PER_QUESTION = 2_048;

export interface WatchesOptions {
  network: Pick<PresenceNetwork, "listen" | "settled" | "find">;
  cluster: Pick<GatewayCluster, "isThere">;
  clock: Pick<Clock, "now">;
}

/** What a session has to learn of one user. */
interface Enquiry {
  /** It is told in any case, not only what has changed. */
  isNew: boolean;
  /** What is answered to an earlier question is not to be believed. */
  isStale: boolean;
}

/** Users of whom one session has to learn. */
interface SessionEnquiries {
  session: Session;
  enquiries: Map<string, Enquiry>;
}

export class Watches {
  private readonly users = new Map<string, WatchedUser>();
  /** What each session watches. */
  private readonly bySession = new Map<Session, Set<string>>();
  /** What is to be asked. */
  private readonly enquiries = new Map<Session, SessionEnquiries["enquiries"]>();
  private isAsking = false;
  private readonly changed = new Set<WatchedUser>();
  private timer: NodeJS.Timeout | undefined;
  private staleTimer: NodeJS.Timeout | undefined;
  private readonly compareTimer = setInterval(
    guarded("timer", () => this.compareGateways()),
    COMPARE_EVERY_MS,
  ).unref();
  private readonly stopping = new AbortController();
  private readonly staleJob = new PacedJob(
    async () => {
      for (const [session, watched] of this.bySession) this.enquire(session, watched);
    },
    REPAIR_EVERY_MS,
    () => {},
  );

  constructor(private readonly options: WatchesOptions) {}

  /** WATCH_PRESENCE. */
  request(session: Session, requestId: number, { userIds, on }: WatchPresencePayload): void {
    if (this.watch(session, userIds, on)) session.reply(Command.OK, requestId, {});
    else session.refuse(requestId, "FORBIDDEN", `a connection watches ${limits.maxWatchedUsers} users at most`);
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
      getOrSet(this.users, userId, () => this.follow(userId)).watchers.set(session, undefined);
    }
    if (added.length > 0) this.enquire(session, added, { isNew: true });
    // Of those that it watched before it is told at once; behind the answer to its request.
    const known = wanted.filter((userId) => !added.includes(userId));
    queueMicrotask(guarded("timer", () => send(session, this.shownTo(session, known))));
    return true;
  }

  /** A session is gone. */
  disconnected(session: Session): void {
    const watched = this.bySession.get(session);
    if (watched !== undefined) this.unwatch(session, [...watched]);
  }

  /** What these pairs of users are to each other has changed. */
  forget(pairs: [string, string][]): void {
    for (const [a, b] of pairs) {
      this.markPairStale(a, b);
      this.markPairStale(b, a);
    }
  }

  /** The view of gateways has changed. */
  compareGateways(): void {
    const { cluster, clock } = this.options;
    for (const user of this.users.values()) if (user.compare(cluster, clock.now())) this.notifySoon(user);
  }

  /** News may be lost. */
  markStale(): void {
    this.staleJob.request();
    const markStaleAgain = () => {
      this.staleTimer = undefined;
      this.staleJob.request();
    };
    this.staleTimer ??= setTimeout(guarded("timer", markStaleAgain), TIMINGS.watchAgainMs);
  }

  stop(): void {
    this.stopping.abort();
    this.staleJob.stop();
    clearTimeout(this.timer);
    clearTimeout(this.staleTimer);
    clearInterval(this.compareTimer);
    for (const user of this.users.values()) user.stopListening();
  }

  private follow(userId: string): WatchedUser {
    const user: WatchedUser = new WatchedUser(
      userId,
      this.options.network.listen(userId, (news) => {
        user.receive(news);
        this.notifySoon(user);
      }),
    );
    return user;
  }

  private shownTo(session: Session, userIds: string[]): UserPresence[] {
    return userIds.flatMap((userId) => {
      const user = this.users.get(userId);
      const maySee = user?.watchers.get(session);
      // Who is being asked about is told when the answer comes.
      return maySee === undefined ? [] : [user!.shownTo(maySee)];
    });
  }

  private unwatch(session: Session, userIds: string[]): void {
    const watched = this.bySession.get(session);
    const enquiries = this.enquiries.get(session);
    for (const userId of userIds) {
      enquiries?.delete(userId);
      const user = this.users.get(userId);
      watched?.delete(userId);
      user?.watchers.delete(session);
      if (user === undefined || user.watchers.size > 0) continue;
      user.stopListening();
      this.users.delete(userId);
      this.changed.delete(user);
    }
    if (enquiries?.size === 0) this.enquiries.delete(session);
    if (watched?.size === 0) this.bySession.delete(session);
  }

  private markPairStale(watcherId: string, userId: string): void {
    const user = this.users.get(userId);
    for (const [session, maySee] of user?.watchers ?? []) {
      if (session.identity?.userId !== watcherId) continue;
      // Whoever is blocked sees the other one go, and is told the same by the answer.
      const hidden = maySee === true ? user!.goneSince(this.options.clock.now()) : (maySee ?? 0);
      user!.watchers.set(session, hidden);
      if (maySee === true) send(session, [user!.shownTo(hidden)]);
      this.enquire(session, [userId], { isStale: true });
    }
  }

  private enquire(
    session: Session,
    userIds: Iterable<string>,
    { isNew = false, isStale = false }: Partial<Enquiry> = {},
  ) {
    const enquiries = getOrSet(this.enquiries, session, (): SessionEnquiries["enquiries"] => new Map());
    for (const userId of userIds) {
      const enquiry = enquiries.get(userId);
      enquiries.set(userId, { isNew: isNew || enquiry?.isNew === true, isStale: isStale || enquiry?.isStale === true });
    }
    // What else is asked for in this turn goes with it.
    if (!this.isAsking) setImmediate(guarded("timer", () => this.askAll()));
  }

  private async askAll(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    const { signal } = this.stopping;
    while (this.enquiries.size > 0 && !signal.aborted) {
      const parts = this.takeNext();
      try {
        await this.ask(parts);
      } catch {
        await sleep(RETRY_MS, signal);
        for (const part of parts) this.askAgain(part);
      }
    }
    this.isAsking = false;
  }

  /** What is asked next: those that wait longest, each with all that it wants. */
  private takeNext(): SessionEnquiries[] {
    const parts: SessionEnquiries[] = [];
    let pairs = 0;
    for (const [session, enquiries] of this.enquiries) {
      if (pairs > 0 && pairs + enquiries.size > PAIRS_PER_QUESTION) break;
      this.enquiries.delete(session);
      if (!session.isOpen || enquiries.size === 0) continue;
      parts.push({ session, enquiries });
      pairs += enquiries.size;
    }
    return parts;
  }

  private async ask(parts: SessionEnquiries[]): Promise<void> {
    if (parts.length === 0) return;
    const { network, cluster } = this.options;
    const wanted = parts.map(({ session, enquiries }): [string, string[]] => [
      session.identity!.userId,
      [...enquiries.keys()],
    ]);
    for (const userId of wanted.flatMap(([, userIds]) => userIds)) this.users.get(userId)?.expectAnswer();
    await network.settled();
    const { visible, frozen = [], users } = await network.find({ wanted });
    for (const user of users) this.users.get(user.userId)?.learn(user, cluster);
    for (const [i, part] of parts.entries()) this.show(part, new Set(visible[i]!), new Map(frozen[i]));
  }

  private askAgain({ session, enquiries }: SessionEnquiries): void {
    const watched = this.bySession.get(session);
    for (const [userId, enquiry] of enquiries) if (watched?.has(userId)) this.enquire(session, [userId], enquiry);
  }

  /** The session learns of those that it asked for, and of those whom it may see now or no longer. */
  private show({ session, enquiries }: SessionEnquiries, visible: Set<string>, frozen: Map<string, number>): void {
    const shown: UserPresence[] = [];
    for (const [userId, { isNew }] of enquiries) {
      const user = this.users.get(userId);
      // It does not watch him any more.
      if (user === undefined || !user.watchers.has(session)) continue;
      const before = user.watchers.get(session);
      const isStale = this.enquiries.get(session)?.get(userId)?.isStale === true;
      const hidden = isStale && typeof before === "number" ? before : (frozen.get(userId) ?? 0);
      const maySee = visible.has(userId) && !isStale ? true : hidden;
      user.watchers.set(session, maySee);
      if (isNew || maySee !== before) shown.push(user.shownTo(maySee));
      if (user.isUnshown) user.hasNews();
      else this.notifySoon(user);
    }
    send(session, shown);
  }

  private notifySoon(user: WatchedUser): void {
    this.changed.add(user);
    this.timer ??= setTimeout(
      guarded("timer", () => this.notify()),
      GATHER_MS,
    );
  }

  private notify(): void {
    this.timer = undefined;
    const news = new Map<Session, UserPresence[]>();
    for (const user of this.changed) {
      if (!user.hasNews()) continue;
      const { presence } = user;
      for (const [session, maySee] of user.watchers) {
        if (maySee === true) getOrSet(news, session, (): UserPresence[] => []).push(presence);
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
