/** All sessions of this gateway, by number and by user. */
import { getOrSet } from "@carillon/base";
import type { UserInbox } from "../deliver/user-inbox";
import type { Session } from "./session";

/** What the gateway keeps per user, as long as one of his sessions is here. */
export interface UserEntry {
  inbox: UserInbox;
  /** Sessions that are being opened or open. */
  sessions: Set<Session>;
}

export interface UserRegistryOptions {
  newInbox(userId: string): UserInbox;
}

export class UserRegistry {
  readonly sessions = new Map<number, Session>();
  private readonly users = new Map<string, UserEntry>();

  constructor(private readonly options: UserRegistryOptions) {}

  get userCount(): number {
    return this.users.size;
  }

  get userIds(): string[] {
    return [...this.users.keys()];
  }

  user(userId: string): UserEntry | undefined {
    return this.users.get(userId);
  }

  /** Platforms of a user's open sessions. */
  platforms(userId: string): Set<string> {
    const sessions = [...(this.users.get(userId)?.sessions ?? [])].filter(({ isOpen }) => isOpen);
    return new Set(sessions.map(({ identity }) => identity!.platform));
  }

  /** Puts a session under its user before it is registered anywhere: pushes may come at once. */
  enter(userId: string, session: Session): UserEntry {
    const { newInbox } = this.options;
    const entry = getOrSet(this.users, userId, () => ({
      inbox: newInbox(userId),
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
}
