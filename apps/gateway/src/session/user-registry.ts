/** All sessions of this gateway, by number and by user, and how messages of workers and apis reach them. */
import { getOrSet } from "@carillon/base";
import { type Trace, traceOf } from "@carillon/base/node";
import type { Announcement, Answer, Bus, Closing, Notice, Push } from "@carillon/bus";
import { decodeEvent } from "@carillon/protocol";
import type { UserInbox } from "../inbox/user-inbox";
import type { Session } from "./session";

/** The state that the gateway keeps for a user as long as one of the user's sessions is here. */
export interface UserEntry {
  inbox: UserInbox;
  /** Sessions that are being opened or open. */
  sessions: Set<Session>;
}

export class UserRegistry {
  /** By number; also sessions that have not sent CONNECT. */
  readonly sessions = new Map<number, Session>();
  private readonly users = new Map<string, UserEntry>();

  /** @param newInbox makes the inbox view of a user whose first session enters */
  constructor(private readonly newInbox: (userId: string) => UserInbox) {}

  get userCount(): number {
    return this.users.size;
  }

  get userIds(): string[] {
    return [...this.users.keys()];
  }

  user(userId: string): UserEntry | undefined {
    return this.users.get(userId);
  }

  openSessions(userId: string): Session[] {
    return [...(this.users.get(userId)?.sessions ?? [])].filter(({ isOpen }) => isOpen);
  }

  /** Platforms of a user's open sessions. */
  platforms(userId: string): Set<string> {
    return new Set(this.openSessions(userId).map(({ identity }) => identity!.platform));
  }

  /** Adds a session to its user before a worker registers it, because pushes may arrive at once. */
  enter(userId: string, session: Session): UserEntry {
    const entry = getOrSet(this.users, userId, () => ({
      inbox: this.newInbox(userId),
      sessions: new Set<Session>(),
    }));
    entry.sessions.add(session);
    return entry;
  }

  leave(userId: string, session: Session): void {
    const entry = this.users.get(userId);
    if (entry === undefined) return;
    entry.sessions.delete(session);
    entry.inbox.leave(session);
    if (entry.sessions.size > 0) return;
    entry.inbox.close();
    this.users.delete(userId);
  }

  /** Continues to serve a device that has room for more events, or must get some again, from its user's inbox. */
  serve(session: Session): void {
    if (session.isOpen) this.users.get(session.identity!.userId)?.inbox.serve(session);
  }
}

/** Hands messages of workers and apis to the sessions and inboxes here: answers, pushes, notices, closings, announcements. */
export class Deliverer {
  private readonly trace: Trace | undefined;

  constructor(
    bus: Pick<Bus, "logger">,
    private readonly boot: string,
    private readonly users: Pick<UserRegistry, "sessions" | "user" | "openSessions">,
  ) {
    this.trace = traceOf(bus.logger);
  }

  /** @param boot boot of the gateway that asked: the connection numbers of a former boot name other clients now */
  answer(boot: string, answers: Answer[]): void {
    if (boot !== this.boot) return;
    for (const { connection, frame } of answers) {
      const session = this.users.sessions.get(connection);
      if (session?.isOpen) session.connection.send(frame);
    }
  }

  push(pushes: Push[]): void {
    for (const { event, targets } of pushes) {
      this.tracePush(event, targets);
      for (const { userId, inboxEpoch, inboxSeq } of targets)
        this.users.user(userId)?.inbox.push(inboxEpoch, inboxSeq, event);
    }
  }

  notify(notices: Notice[]): void {
    for (const { userId, exceptDeviceId, frame } of notices) {
      for (const session of this.users.openSessions(userId)) {
        if (session.identity!.deviceId !== exceptDeviceId) session.connection.send(frame);
      }
    }
  }

  /** Closes also sessions that are being opened: the worker may have read their token before it was revoked. */
  close(closings: Closing[]): void {
    for (const { userId, deviceId, connection, closeCode } of closings) {
      for (const session of [...(this.users.user(userId)?.sessions ?? [])]) {
        const isMeant =
          (deviceId === undefined || session.identity!.deviceId === deviceId) &&
          (connection === undefined || (connection.boot === this.boot && session.number === connection.number));
        if (isMeant) session.kick(closeCode);
      }
    }
  }

  /** A worker has recreated these inboxes. */
  announce(announcements: Announcement[]): void {
    for (const { userId, inboxEpoch } of announcements) this.users.user(userId)?.inbox.expectIfOpen(inboxEpoch, 0);
  }

  private tracePush(event: Uint8Array, targets: Push["targets"]): void {
    if (this.trace === undefined) return;
    const { messageId, clientMsgId, conversationId, seq } = decodeEvent(event);
    const users = targets.map(({ userId }) => userId);
    this.trace({ messageId, clientMsgId, conversationId, seq, users }, "an event is being delivered");
  }
}
