import type { RecallTarget, Relation, UserFacts } from "../decide/authorize";

/** The questions of the worker to MySQL (the primary): one statement per kind and call. */
export interface FactSource {
  users(userIds: string[]): Promise<Map<string, UserFacts>>;
  /** Key: `${owner} ${peer}`; a pair without a row is missing. */
  relations(pairs: (readonly [owner: string, peer: string])[]): Promise<Map<string, Relation>>;
  /** Highest number of each conversation; one without messages is missing or 0. */
  lastSeqs(conversationIds: string[]): Promise<Map<string, number>>;
  messagesById(ids: MessageKey[]): Promise<ArchivedMessage[]>;
  /** Messages sent before this time, ms since 1970, may have been deleted; 0: none ever was. */
  retentionCut(): Promise<number>;
  /** Key: `${conversationId}#${seq}`; null: deleted by retention; what is not archived is missing. */
  recallTargets(places: { conversationId: string; seq: number }[]): Promise<Map<string, RecallTarget | null>>;
}

export interface MessageKey {
  senderId: string;
  conversationId: string;
  clientMsgId: string;
}

export interface ArchivedMessage extends MessageKey {
  contentType: string;
  /** Empty when it was recalled. */
  content: string;
  recalled: boolean;
  kind: "message" | "recall" | "system";
  targetSeq: number | undefined;
  seq: number;
  messageId: string;
  sentAt: number;
}
