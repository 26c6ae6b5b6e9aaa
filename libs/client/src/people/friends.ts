/** Friends, requests and blocks of the user. */
import type { RelationState } from "@carillon/protocol";
import type { Api } from "../core";
import { step } from "../http/authorized";
import type { Page, PageRange } from "../http/http-api";

/** A relation to somebody, as one sees it. */
export interface Relation {
  userId: string;
  displayName: string;
  /** `requested` by oneself, `asked` by the other, `friend`, `blocked`; `none` when it ended. */
  state: RelationState;
  /** One's own name for them. */
  remark?: string;
  version: number;
  /** ms since 1970. */
  changedAt: number;
}

/** `client.friends`: what is changed here counts for the next message. All of it may be repeated. */
export class Friends {
  constructor(private readonly api: Api) {}

  /** Friends by id. */
  list(range: PageRange = {}): Promise<Page<Relation>> {
    return this.api.call("GET", "/v1/friends", { query: range });
  }

  /** Requests: `asked` by others, `requested` by oneself. */
  requests(range: PageRange = {}): Promise<Page<Relation>> {
    return this.api.call("GET", "/v1/friend-requests", { query: range });
  }

  /** Those whom the user has blocked. */
  blocked(range: PageRange = {}): Promise<Page<Relation>> {
    return this.api.call("GET", "/v1/blocks", { query: range });
  }

  /** Asks for friendship; a user who has asked first becomes a friend at once. @throws CarillonError NO_SUCH_USER, BLOCKED */
  request(userId: string): Promise<Relation> {
    return this.api.call("POST", "/v1/friend-requests", { body: { userId } });
  }

  /** @throws CarillonError NOT_FOUND when they have not asked */
  async accept(userId: string): Promise<void> {
    await this.api.call("POST", `/v1/friend-requests/${step(userId)}/accept`);
  }

  /** Turns a request down; the other user is not told. */
  async reject(userId: string): Promise<void> {
    await this.api.call("POST", `/v1/friend-requests/${step(userId)}/reject`);
  }

  /** Ends a friendship, or takes back a request. */
  async remove(userId: string): Promise<void> {
    await this.api.call("DELETE", `/v1/friends/${step(userId)}`);
  }

  /** Gives a friend a name that only the user sees; the empty one takes it away. */
  setRemark(userId: string, remark: string): Promise<Relation> {
    return this.api.call("PATCH", `/v1/friends/${step(userId)}`, { body: { remark } });
  }

  /** Nothing goes between the two any more; the other user is not told. */
  async block(userId: string): Promise<void> {
    await this.api.call("PUT", `/v1/blocks/${step(userId)}`);
  }

  /** Lifts a block. */
  async unblock(userId: string): Promise<void> {
    await this.api.call("DELETE", `/v1/blocks/${step(userId)}`);
  }
}
