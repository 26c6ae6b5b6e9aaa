/** What is asked about one conversation over HTTP. */
import type { ConversationRow } from "@carillon/protocol";
import type { Api } from "../core";
import { step } from "./authorized";
import type { History, PageRange } from "./http-api";

/** Settings of a conversation, for all devices of the user. */
export interface ConversationSettings {
  /** Stands above the others. */
  pinned?: boolean;
  /** The app shall be quiet about it. */
  muted?: boolean;
  /** In no list until something new is said. */
  hidden?: boolean;
  /** Everything up to this number is gone for the user; it only moves forward. */
  clearedSeq?: number;
  /** All that there is when the server is asked is gone for the user, also what this device does not know of yet. */
  clear?: boolean;
}

/** Who has read a message. */
export interface Readers {
  /** By id, without the sender; not in a large group. */
  items?: { userId: string; readSeq: number }[];
  /** Continues behind this page. */
  cursor?: string;
  /** In a large group: how many. */
  count?: number;
}

export class ConversationApi {
  constructor(private readonly api: Api) {}

  history(conversationId: string, range: { before?: number; limit?: number }): Promise<History> {
    return this.api.call("GET", `${pathOf(conversationId)}/messages`, { query: range });
  }

  set(conversationId: string, settings: ConversationSettings): Promise<ConversationRow> {
    return this.api.call("PATCH", pathOf(conversationId), { body: settings });
  }

  readers(conversationId: string, seq: number, range: PageRange): Promise<Readers> {
    return this.api.call("GET", `${pathOf(conversationId)}/messages/${seq}/readers`, { query: range });
  }
}

const pathOf = (conversationId: string) => `/v1/conversations/${step(conversationId)}`;
