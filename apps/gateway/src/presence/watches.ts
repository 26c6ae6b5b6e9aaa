/**
 * WATCH_PRESENCE: devices here watch whether other users are online.
 *
 * The idea: the gateway listens to the presence of each user whom a device here watches, and asks a worker once where the user
 * is now and which of the watchers may see them. From then on other gateways publish each change. The gateway gathers changes
 * for a moment, so that five hundred friends who come online at once cause a few frames, not five hundred.
 *
 * Edge cases:
 * - A watcher who may not see a user is told that the user is offline and never was online: the same as for a user who does
 *   not exist.
 * - When the relation of two users changes, the gateway asks again. Until then the two do not see each other, and an answer
 *   that was already on its way does not change that.
 * - When news may be lost, the gateway asks again for all watched users. It asks once more when workers have forgotten the
 *   relations that they knew, because the lost news may have been that a user must not be seen any longer.
 * - A gateway that has died publishes nothing: its users are offline when it leaves the view, and online again if it comes
 *   back. Answers of workers name all registered devices; this gateway's view decides which of them count, again and again.
 * - The questions that wait are bounded by the users who are watched, however often a client repeats its request.
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
/** Pairs of watcher and user in one question, about. */
const PAIRS_PER_QUESTION = 2_048;

export interface WatchesOptions {
  network: Pick<PresenceNetwork, "listen" | "settled" | "find">;
  cluster: Pick<GatewayCluster, "isThere">;
  clock: Pick<Clock, "now">;
}

/** A question of one session about one user. */
interface Enquiry {
  /** Whether the session is told the answer in any case, and not only when it changes something. */
  isNew: boolean;
  /** Whether the answer to an earlier question may be out of date and must not be believed. */
  isStale: boolean;
}

/** The users of whom one session has to learn. */
interface SessionEnquiries {
  session: Session;
  enquiries: Map<string, Enquiry>;
}

export class Watches {
  private readonly users = new Map<string, WatchedUser>();
  /** The users whom each session watches. */
  private readonly bySession = new Map<Session, Set<string>>();
  /** The questions that wait, by session and user. */
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

  /** WATCH_PRESENCE: answers OK, or FORBIDDEN beyond the bound of a connection. */
  request(session: Session, requestId: number, { userIds, on }: WatchPresencePayload): void {
    if (this.watch(session, userIds, on)) session.reply(Command.OK, requestId, {});
    else session.refuse(requestId, "FORBIDDEN", `a connection watches ${limits.maxWatchedUsers} users at most`);
  }

  /** Begins or ends watching. @returns false when the session would watch more users than it may */
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
    // The session is told at once of users whom it watched before; after the answer to its request.
    const known = wanted.filter((userId) => !added.includes(userId));
    queueMicrotask(guarded("timer", () => send(session, this.shownTo(session, known))));
    return true;
  }

  /** The session is closed. */
  disconnected(session: Session): void {
    const watched = this.bySession.get(session);
    if (watched !== undefined) this.unwatch(session, [...watched]);
  }

  /** The relations of these pairs of users have changed. */
  forget(pairs: [string, string][]): void {
    for (const [a, b] of pairs) {
      this.markPairStale(a, b);
      this.markPairStale(b, a);
    }
  }

  /** The view of gateways may have changed. */
  compareGateways(): void {
    const { cluster, clock } = this.options;
    for (const user of this.users.values()) if (user.compare(cluster, clock.now())) this.notifySoon(user);
  }

  /** News may be lost: the gateway asks again for all watched users, at most every 2 s, and once more 35 s later. */
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
      // The session is told of a user without an answer when the answer comes.
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
      // A blocked watcher sees the user go offline now, and the answer says the same.
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
    // Other requests of this turn of the event loop join the same question.
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

  /** Takes the sessions that wait longest, each with all its users, for the next question. */
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

  /** Tells the session of users for whom it asked, and of users whom it may see now or may not see any longer. */
  private show({ session, enquiries }: SessionEnquiries, visible: Set<string>, frozen: Map<string, number>): void {
    const shown: UserPresence[] = [];
    for (const [userId, { isNew }] of enquiries) {
      const user = this.users.get(userId);
      // The session does not watch the user any more.
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
