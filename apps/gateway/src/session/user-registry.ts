/** All sessions of this gateway, by number and by user. */
import { getOrSet } from "@carillon/base";
import type { UserInbox } from "../deliver/user-inbox";
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
