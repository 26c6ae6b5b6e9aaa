/** The groups of the user. */
import { CarillonError, type GroupRole, type JoinPolicy } from "@carillon/protocol";
import { step } from "../http/authorized";
import type { Api, Page, PageRange } from "../http/http-api";

/** A group as its members see it. */
export interface Group {
  groupId: string;
  name: string;
  notice?: string;
  ownerId: string;
  joinPolicy: JoinPolicy;
  /** Whether only owner and admins may write. */
  muted: boolean;
  memberCount: number;
  /** ms since 1970. */
  createdAt: number;
  /** Whether the group is dissolved: no member may write any more; the history stays. */
  dissolved: boolean;
}

/** A member of a group. */
export interface GroupMember {
  userId: string;
  role: GroupRole;
  /** The time until which the member may not write, ms since 1970; 0: the member may write. */
  mutedUntil: number;
}

/** The properties of a new group. */
export interface GroupWishes {
  /** With an id of its own an app can repeat the request; without one the server chooses the id. */
  groupId?: string;
  name: string;
  /** The users who may join: any user (`open`), users whom an admin accepts (`approval`), or invited users (`invite`, default). */
  joinPolicy?: JoinPolicy;
  /** Members besides the user. */
  members?: string[];
}

/** A group into which another user invites the user. */
export interface Invitation {
  groupId: string;
  name: string;
  memberCount: number;
  inviterId: string;
  /** ms since 1970. */
  invitedAt: number;
}

/** A group that the user has asked to join. */
export interface OwnRequest {
  groupId: string;
  name: string;
  /** ms since 1970. */
  askedAt: number;
  /** The time at which the admins refused, ms since 1970; the user may ask again a week later. */
  refusedAt?: number;
}

/** A user whom an admin has removed, and whom only an admin can bring back. */
export interface Ban {
  userId: string;
  bannedBy: string;
  /** ms since 1970. */
  bannedAt: number;
}

/** The properties of a group that can change. */
export interface GroupChange {
  name?: string;
  notice?: string;
  joinPolicy?: JoinPolicy;
  /** Whether only owner and admins may write. */
  muted?: boolean;
}

/** The properties of a member that can change. */
export interface MemberChange {
  role?: "admin" | "member";
  /** The time until which the member may not write, ms since 1970; 0: the member may write. */
  mutedUntil?: number;
}

const path = (groupId: string, rest = "") => `/v1/groups/${step(groupId)}${rest}`;

/**
 * `client.groups`. The server answers a change when it is in the history of the group. A user who may not make the change gets
 * CarillonError FORBIDDEN or NOT_A_MEMBER. An app writes to the members by `client.send("g:<groupId>", ...)`.
 */
export class Groups {
  constructor(
    private readonly api: Api,
    private readonly userId: () => string | undefined,
  ) {}

  /** Returns the groups to which the user belongs, by id. */
  list(range: PageRange = {}): Promise<Page<Group>> {
    return this.api.call("GET", "/v1/groups", { query: range });
  }

  /** Returns a group. @throws CarillonError NOT_FOUND, also for a group that a user can join only by invitation */
  get(groupId: string): Promise<Group> {
    return this.api.call("GET", path(groupId));
  }

  /**
   * Creates a group; the user is its owner. If the app repeats the call with the same wishes, it gets the group as it is now.
   * `invited` names the members who want to be asked first.
   * @throws CarillonError CONFLICT (the id is taken), NO_SUCH_USER, NOT_FRIENDS
   */
  create({ joinPolicy = "invite", ...wishes }: GroupWishes): Promise<Group & { invited?: string[] }> {
    return this.api.call("POST", "/v1/groups", { body: { ...wishes, joinPolicy } });
  }

  /** Changes name, notice or join policy, or mutes all members but owner and admins. */
  change(groupId: string, change: GroupChange): Promise<Group> {
    return this.api.call("PATCH", path(groupId), { body: change });
  }

  /** Dissolves a group for all members; its history stays. */
  async dissolve(groupId: string): Promise<void> {
    await this.api.call("DELETE", path(groupId));
  }

  /** Transfers a group to another member; the former owner becomes an admin. */
  transfer(groupId: string, userId: string): Promise<Group> {
    return this.api.call("POST", path(groupId, "/transfer"), { body: { userId } });
  }

  /** Returns the members, by id. */
  members(groupId: string, range: PageRange = {}): Promise<Page<GroupMember>> {
    return this.api.call("GET", path(groupId, "/members"), { query: range });
  }

  /**
   * Brings a user into a group.
   * @returns `invited` if the user wants to be asked first
   * @throws CarillonError NO_SUCH_USER; FORBIDDEN, also if the group is full; NOT_FRIENDS
   */
  add(groupId: string, userId: string): Promise<"joined" | "invited"> {
    return this.#bring<"joined" | "invited">(groupId, userId);
  }

  /**
   * Returns the groups into which other users invite the user. The event `changed` with `groups` says that there may be a new
   * one.
   */
  invitations(range: PageRange = {}): Promise<Page<Invitation>> {
    return this.api.call("GET", "/v1/group-invitations", { query: range });
  }

  /** Joins a group into which the user is invited. @throws CarillonError NOT_FOUND if the invitation no longer exists */
  async acceptInvitation(groupId: string): Promise<void> {
    await this.api.call("POST", `/v1/group-invitations/${step(groupId)}/accept`);
  }

  /** Rejects an invitation; no other user hears of it. @throws CarillonError NOT_FOUND */
  async rejectInvitation(groupId: string): Promise<void> {
    await this.api.call("POST", `/v1/group-invitations/${step(groupId)}/reject`);
  }

  /**
   * Joins a group.
   * @returns `joined`; or `asked` if an admin has to accept the user first
   * @throws CarillonError NOT_FOUND if the group needs an invitation; BANNED if an admin removed the user; FORBIDDEN if the
   *   admins refused the user; UNAVAILABLE before the first session, if the client does not know the user's id yet
   */
  join(groupId: string): Promise<"joined" | "asked"> {
    const userId = this.userId();
    if (userId === undefined) return Promise.reject(new CarillonError("UNAVAILABLE", "not connected yet"));
    return this.#bring<"joined" | "asked">(groupId, userId);
  }

  /**
   * Removes a member, and bans them from then on; `me` leaves the group. @throws CarillonError CONFLICT: the owner cannot leave
   */
  async remove(groupId: string, userId: string): Promise<void> {
    await this.api.call("DELETE", path(groupId, `/members/${step(userId)}`));
  }

  /** Leaves a group. @throws CarillonError CONFLICT: the owner cannot leave */
  leave(groupId: string): Promise<void> {
    return this.remove(groupId, "me");
  }

  /** Makes a member an admin, or an admin a member; mutes a member until a time. */
  async changeMember(groupId: string, userId: string, change: MemberChange): Promise<void> {
    await this.api.call("PATCH", path(groupId, `/members/${step(userId)}`), { body: change });
  }

  /** Returns the users who ask to join; for admins. `askedAt`: ms since 1970. */
  async requests(groupId: string): Promise<{ userId: string; askedAt: number }[]> {
    const answer = await this.api.call<Page<{ userId: string; askedAt: number }>>("GET", path(groupId, "/requests"));
    return answer.items;
  }

  /** Accepts a user who has asked to join. @throws CarillonError NOT_FOUND if they have not asked */
  async accept(groupId: string, userId: string): Promise<void> {
    await this.api.call("POST", path(groupId, `/requests/${step(userId)}/accept`));
  }

  /** Rejects a user who has asked to join. */
  async reject(groupId: string, userId: string): Promise<void> {
    await this.api.call("POST", path(groupId, `/requests/${step(userId)}/reject`));
  }

  /** Returns the groups that the user has asked to join. The event `changed` with `groups` says that there may be an answer. */
  ownRequests(range: PageRange = {}): Promise<Page<OwnRequest>> {
    return this.api.call("GET", "/v1/group-requests", { query: range });
  }

  /** Withdraws the user's request to join. */
  async withdraw(groupId: string): Promise<void> {
    await this.api.call("DELETE", `/v1/group-requests/${step(groupId)}`);
  }

  /** Returns the users whom admins have removed and banned; for admins. */
  bans(groupId: string, range: PageRange = {}): Promise<Page<Ban>> {
    return this.api.call("GET", path(groupId, "/bans"), { query: range });
  }

  /** Lifts a ban: the user may join again like any other user. */
  async liftBan(groupId: string, userId: string): Promise<void> {
    await this.api.call("DELETE", path(groupId, `/bans/${step(userId)}`));
  }

  async #bring<State>(groupId: string, userId: string): Promise<State> {
    const body = { userId };
    return (await this.api.call<{ state: State }>("POST", path(groupId, "/members"), { body })).state;
  }
}
