/** Conversations and their messages, which the archiver writes, and its positions. */
import { type ConversationKind, conversationKindValues, type EventKind, eventKindValues } from "@carillon/protocol";
import { EntitySchema } from "typeorm";
import { conversationId, counter, flag, longId, oneOf, text, time, word } from "./columns";

export interface ConversationEntityRow {
  id: string;
  kind: ConversationKind;
  lastSeq: number;
  lastAt: number;
  /** The message of the preview; 0: none yet. */
  previewSeq: number;
  previewSender: string | null;
  previewContentType: string | null;
  previewText: string | null;
  /** By the database's clock. */
  changedAt: number;
  /** Number up to which retention has deleted messages. */
  purgedSeq: number;
}

export const ConversationEntity = new EntitySchema<ConversationEntityRow>({
  name: "Conversation",
  tableName: "conversations",
  columns: {
    id: conversationId("id", { primary: true }),
    kind: oneOf("kind", conversationKindValues),
    lastSeq: counter("last_seq"),
    lastAt: time("last_at"),
    previewSeq: counter("preview_seq", { default: 0 }),
    previewSender: longId("preview_sender", { nullable: true }),
    previewContentType: word("preview_content_type", { nullable: true }),
    previewText: text("preview_text", 100, { nullable: true }),
    changedAt: time("changed_at"),
    purgedSeq: counter("purged_seq", { default: 0 }),
  },
});

export interface ConversationMemberRow {
  userId: string;
  conversation: string;
  readSeq: number;
  deliveredSeq: number;
  /** Only messages above this number count as unread or appear in the preview: the user cleared the others, or had not joined. */
  clearedSeq: number;
  /** Number up to which the user has cleared the conversation: history shows them only messages above it. */
  hiddenSeq: number;
  /** The user hides the conversation until it has an event above this number. */
  unlistedSeq: number;
  /** The marks that the peer of a private conversation is told while one of both blocks the other; null: the present marks. */
  toldReadSeq: number | null;
  toldDeliveredSeq: number | null;
  pinned: boolean;
  muted: boolean;
  version: number;
  /** By the database's clock. */
  changedAt: number;
}

export const ConversationMemberEntity = new EntitySchema<ConversationMemberRow>({
  name: "ConversationMember",
  tableName: "conversation_members",
  columns: {
    userId: longId("user_id", { primary: true }),
    conversation: conversationId("conversation", { primary: true }),
    readSeq: counter("read_seq", { default: 0 }),
    deliveredSeq: counter("delivered_seq", { default: 0 }),
    clearedSeq: counter("cleared_seq", { default: 0 }),
    hiddenSeq: counter("hidden_seq", { default: 0 }),
    unlistedSeq: counter("unlisted_seq", { default: 0 }),
    toldReadSeq: counter("told_read_seq", { nullable: true }),
    toldDeliveredSeq: counter("told_delivered_seq", { nullable: true }),
    pinned: flag("pinned"),
    muted: flag("muted"),
    version: counter("version", { default: 0 }),
    changedAt: time("changed_at"),
  },
});

export interface MessageRow {
  conversation: string;
  seq: number;
  /** A snowflake, which is larger than a number can represent. */
  messageId: string;
  kind: EventKind;
  sender: string;
  clientMsgId: string;
  contentType: string;
  content: string | null;
  targetSeq: number | null;
  recalled: boolean;
  sentAt: number;
}

export const MessageEntity = new EntitySchema<MessageRow>({
  name: "Message",
  tableName: "messages",
  columns: {
    conversation: conversationId("conversation", { primary: true }),
    seq: counter("seq", { primary: true }),
    messageId: { name: "message_id", type: "bigint", unsigned: true },
    kind: oneOf("kind", eventKindValues),
    sender: longId("sender"),
    clientMsgId: longId("client_msg_id"),
    contentType: word("content_type"),
    content: { name: "content", type: "text", nullable: true },
    targetSeq: counter("target_seq", { nullable: true }),
    recalled: flag("recalled"),
    sentAt: time("sent_at"),
  },
});

export interface ArchivePositionRow {
  partition: number;
  epoch: number;
  /** Log position up to which everything is archived; -1: nothing yet. */
  position: number;
}

export const ArchivePositionEntity = new EntitySchema<ArchivePositionRow>({
  name: "ArchivePosition",
  tableName: "archive_positions",
  columns: {
    partition: { name: "partition_number", type: "int", unsigned: true, primary: true },
    epoch: counter("epoch"),
    position: time("position"),
  },
});

export interface OutboxRow {
  conversation: string;
  version: number;
  changeKind: string;
  /** JSON. */
  body: string;
  createdAt: number;
}

export const OutboxEntity = new EntitySchema<OutboxRow>({
  name: "Outbox",
  tableName: "outbox",
  columns: {
    conversation: conversationId("conversation", { primary: true }),
    version: counter("version", { primary: true }),
    changeKind: longId("change_kind"),
    body: { name: "body", type: "text" },
    createdAt: time("created_at"),
  },
});
