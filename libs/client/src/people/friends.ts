/** Friends, requests and blocks of the user. */
import type { RelationState } from "@carillon/protocol";
import { step } from "../http/authorized";
import type { Api, Page, PageRange } from "../http/http-api";

/** A relation to another user, as the user sees it. */
export interface Relation {
  userId: string;
  displayName: string;
  /**
   * `requested`: the user has asked for friendship; `asked`: the other user has; `friend`; `blocked`; `none`: the relation has
   * ended.
   */
  state: RelationState;
  /** The user's own name for the other user. */
  remark?: string;
  version: number;
  /** ms since 1970. */
  changedAt: number;
}

/** `client.friends`: a change counts for the next message. An app may repeat each call. */
export class Friends {
  constructor(private readonly api: Api) {}

  /** Returns the friends, by id. */
  list(range: PageRange = {}): Promise<Page<Relation>> {
    return this.api.call("GET", "/v1/friends", { query: range });
  }

  /** Returns the requests: `asked` by other users, `requested` by the user. */
  requests(range: PageRange = {}): Promise<Page<Relation>> {
    return this.api.call("GET", "/v1/friend-requests", { query: range });
  }

  /** Returns the users whom the user has blocked. */
  blocked(range: PageRange = {}): Promise<Page<Relation>> {
    return this.api.call("GET", "/v1/blocks", { query: range });
  }

  /**
   * Asks for friendship. If the other user has asked before, both are friends at once. @throws CarillonError NO_SUCH_USER,
   * BLOCKED
   */
  request(userId: string): Promise<Relation> {
    return this.api.call("POST", "/v1/friend-requests", { body: { userId } });
  }

  /** Accepts a request. @throws CarillonError NOT_FOUND if the other user has not asked */
  async accept(userId: string): Promise<void> {
    await this.api.call("POST", `/v1/friend-requests/${step(userId)}/accept`);
  }

  /** Rejects a request; the other user does not hear of it. */
  async reject(userId: string): Promise<void> {
    await this.api.call("POST", `/v1/friend-requests/${step(userId)}/reject`);
  }

  /** Ends a friendship, or withdraws a request. */
  async remove(userId: string): Promise<void> {
    await this.api.call("DELETE", `/v1/friends/${step(userId)}`);
  }

  /** Gives a friend a name that only the user sees; an empty one removes it. */
  setRemark(userId: string, remark: string): Promise<Relation> {
    return this.api.call("PATCH", `/v1/friends/${step(userId)}`, { body: { remark } });
  }

  /** Blocks a user: the server delivers nothing between the two any more. The other user does not hear of it. */
  async block(userId: string): Promise<void> {
    await this.api.call("PUT", `/v1/blocks/${step(userId)}`);
  }

  /** Lifts a block. */
  async unblock(userId: string): Promise<void> {
    await this.api.call("DELETE", `/v1/blocks/${step(userId)}`);
  }
}
