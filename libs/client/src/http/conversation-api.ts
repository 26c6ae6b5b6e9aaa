/** Requests over HTTP about one conversation. */
import type { ConversationRow } from "@carillon/protocol";
import { step } from "./authorized";
import type { Api, History, PageRange } from "./http-api";

/** Settings of a conversation, for all devices of the user. */
export interface ConversationSettings {
  /** The conversation stands above the others. */
  pinned?: boolean;
  /** The app shall not notify the user of new messages. */
  muted?: boolean;
  /** No list shows the conversation until a new message comes. */
  hidden?: boolean;
  /** Clears everything up to this number for the user; it only moves forward. */
  clearedSeq?: number;
  /** Clears everything that the server has when it gets the request, also messages that this device does not know yet. */
  clear?: boolean;
}

/** The users who have read a message. */
export interface Readers {
  /** The readers by id, without the sender; absent in a large group. */
  items?: { userId: string; readSeq: number }[];
  /** Pass it to get the next page; absent on the last page. */
  cursor?: string;
  /** The number of readers, in a large group. */
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
