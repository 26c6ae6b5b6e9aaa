/** Groups of the user. */
import { CarillonError, type GroupRole, type JoinPolicy } from "@carillon/protocol";
import type { Api } from "../core";
import { step } from "../http/authorized";
import type { Page, PageRange } from "../http/http-api";

/** A group as everybody in it sees it. */
export interface Group {
  groupId: string;
  name: string;
  notice?: string;
  ownerId: string;
  joinPolicy: JoinPolicy;
  /** Only owner and admins may write. */
  muted: boolean;
  memberCount: number;
  /** ms since 1970. */
  createdAt: number;
  /** Nobody may write any more; history stays. */
  dissolved: boolean;
}

/** Who belongs to a group. */
export interface GroupMember {
  userId: string;
  role: GroupRole;
  /** ms since 1970; 0: may write. */
  mutedUntil: number;
}

/** How a new group is to be. */
export interface GroupWishes {
  /** With an id of one's own the request can be repeated; without one the server chooses. */
  groupId?: string;
  name: string;
  /** Who may come: anybody, who is let in, who is invited. Default `invite`. */
  joinPolicy?: JoinPolicy;
  /** Besides oneself. */
  members?: string[];
}

/** A group that somebody invites the user to. */
export interface Invitation {
  groupId: string;
  name: string;
  memberCount: number;
  inviterId: string;
  /** ms since 1970. */
  invitedAt: number;
}

/** A group that the user has asked to be let into. */
export interface OwnRequest {
  groupId: string;
  name: string;
  /** ms since 1970. */
  askedAt: number;
  /** ms since 1970: the admins have refused, and one may ask again a week later. */
  refusedAt?: number;
}

/** Somebody whom an admin has removed, and who comes back only by one. */
export interface Ban {
  userId: string;
  bannedBy: string;
  /** ms since 1970. */
  bannedAt: number;
}

/** What of a group can be changed. */
export interface GroupChange {
  name?: string;
  notice?: string;
  joinPolicy?: JoinPolicy;
  /** Only owner and admins may write. */
  muted?: boolean;
}

/** What of a member can be changed. */
export interface MemberChange {
  role?: "admin" | "member";
  /** ms since 1970; 0: may write. */
  mutedUntil?: number;
}

const path = (groupId: string, rest = "") => `/v1/groups/${step(groupId)}${rest}`;

/**
 * `client.groups`. A change is answered when it is in the history of the group; who may not do it gets CarillonError
 * FORBIDDEN or NOT_A_MEMBER. Members are written to by `client.send("g:<groupId>", ...)`.
 */
export class Groups {
  constructor(
    private readonly api: Api,
    private readonly userId: () => string | undefined,
  ) {}

  /** Groups that the user belongs to, by id. */
  list(range: PageRange = {}): Promise<Page<Group>> {
    return this.api.call("GET", "/v1/groups", { query: range });
  }

  /** @throws CarillonError NOT_FOUND, also for a group that one may only be invited to */
  get(groupId: string): Promise<Group> {
    return this.api.call("GET", path(groupId));
  }

  /**
   * Makes a group; the user is its owner. With the same wishes again it is the group as it is now. Members who want to be asked first are named in `invited`.
   * @throws CarillonError CONFLICT (the id is taken), NO_SUCH_USER, NOT_FRIENDS
   */
  create({ joinPolicy = "invite", ...wishes }: GroupWishes): Promise<Group & { invited?: string[] }> {
    return this.api.call("POST", "/v1/groups", { body: { ...wishes, joinPolicy } });
  }

  /** Changes name, notice or join policy, or mutes all but the admins. */
  change(groupId: string, change: GroupChange): Promise<Group> {
    return this.api.call("PATCH", path(groupId), { body: change });
  }

  /** Ends a group for all; its history stays. */
  async dissolve(groupId: string): Promise<void> {
    await this.api.call("DELETE", path(groupId));
  }

  /** Gives a group to another member; the former owner becomes an admin. */
  transfer(groupId: string, userId: string): Promise<Group> {
    return this.api.call("POST", path(groupId, "/transfer"), { body: { userId } });
  }

  /** Members by id. */
  members(groupId: string, range: PageRange = {}): Promise<Page<GroupMember>> {
    return this.api.call("GET", path(groupId, "/members"), { query: range });
  }

  /**
   * Brings somebody in.
   * @returns `invited` when they want to be asked first
   * @throws CarillonError NO_SUCH_USER; FORBIDDEN, also when the group is full; NOT_FRIENDS
   */
  add(groupId: string, userId: string): Promise<"joined" | "invited"> {
    return this.#bring<"joined" | "invited">(groupId, userId);
  }

  /** Groups that others invite the user to; `changed` with `groups` says that there may be a new one. */
  invitations(range: PageRange = {}): Promise<Page<Invitation>> {
    return this.api.call("GET", "/v1/group-invitations", { query: range });
  }

  /** Comes into a group that the user is invited to. @throws CarillonError NOT_FOUND when nobody invites any more */
  async acceptInvitation(groupId: string): Promise<void> {
    await this.api.call("POST", `/v1/group-invitations/${step(groupId)}/accept`);
  }

  /** Turns an invitation down; nobody is told. @throws CarillonError NOT_FOUND */
  async rejectInvitation(groupId: string): Promise<void> {
    await this.api.call("POST", `/v1/group-invitations/${step(groupId)}/reject`);
  }

  /**
   * The user belongs to the group from now on.
   * @returns `asked` when an admin has to agree first
   * @throws CarillonError NOT_FOUND when one has to be invited; BANNED when one was removed; FORBIDDEN when one was refused; UNAVAILABLE before the first session told who the user is
   */
  join(groupId: string): Promise<"joined" | "asked"> {
    const userId = this.userId();
    if (userId === undefined) return Promise.reject(new CarillonError("UNAVAILABLE", "not connected yet"));
    return this.#bring<"joined" | "asked">(groupId, userId);
  }

  /** Removes a member, who is kept out from then on; `me` leaves. @throws CarillonError CONFLICT: the owner cannot leave */
  async remove(groupId: string, userId: string): Promise<void> {
    await this.api.call("DELETE", path(groupId, `/members/${step(userId)}`));
  }

  /** The user belongs to the group no more. */
  leave(groupId: string): Promise<void> {
    return this.remove(groupId, "me");
  }

  /** Makes a member an admin, or not; keeps a member from writing until a time. */
  async changeMember(groupId: string, userId: string, change: MemberChange): Promise<void> {
    await this.api.call("PATCH", path(groupId, `/members/${step(userId)}`), { body: change });
  }

  /** Who asks to be let in; for admins. */
  async requests(groupId: string): Promise<{ userId: string; askedAt: number }[]> {
    const answer = await this.api.call<Page<{ userId: string; askedAt: number }>>("GET", path(groupId, "/requests"));
    return answer.items;
  }

  /** Lets a user in who has asked. @throws CarillonError NOT_FOUND when they have not */
  async accept(groupId: string, userId: string): Promise<void> {
    await this.api.call("POST", path(groupId, `/requests/${step(userId)}/accept`));
  }

  /** Turns somebody down who has asked. */
  async reject(groupId: string, userId: string): Promise<void> {
    await this.api.call("POST", path(groupId, `/requests/${step(userId)}/reject`));
  }

  /** Groups that the user has asked to be let into; `changed` with `groups` says that there may be an answer. */
  ownRequests(range: PageRange = {}): Promise<Page<OwnRequest>> {
    return this.api.call("GET", "/v1/group-requests", { query: range });
  }

  /** Asks no longer to be let in. */
  async withdraw(groupId: string): Promise<void> {
    await this.api.call("DELETE", `/v1/group-requests/${step(groupId)}`);
  }

  /** Who was removed and is kept out; for admins. */
  bans(groupId: string, range: PageRange = {}): Promise<Page<Ban>> {
    return this.api.call("GET", path(groupId, "/bans"), { query: range });
  }

  /** Who was removed may come again as everybody. */
  async liftBan(groupId: string, userId: string): Promise<void> {
    await this.api.call("DELETE", path(groupId, `/bans/${step(userId)}`));
  }

  async #bring<State>(groupId: string, userId: string): Promise<State> {
    const body = { userId };
    return (await this.api.call<{ state: State }>("POST", path(groupId, "/members"), { body })).state;
  }
}
