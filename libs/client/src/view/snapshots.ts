/**
 * What an app is shown. All of it is immutable: a thing that changes is replaced by another, one that does not stays the
 * same object, so that comparing with `===` tells what has to be drawn anew.
 */
import type { ContentType, GroupRow, Preview, RelationRow } from "@carillon/protocol";

/**
 * How a message stands. One's own: `sending` (no number yet), `sent` (the server has it for good), `delivered` and
 * `read` (by the other one, in private conversations), `failed` (the tries are over, or it was refused). Those of
 * others: `delivered` until this user has read them, then `read`. Whoever's: `recalled`, and then without content.
 */
export type MessageStatus = "sending" | "sent" | "delivered" | "read" | "recalled" | "failed";

/** A message as it is shown, or a change of a group (`kind` is `system`; `parseSystemContent` reads its content). */
export interface ViewMessage {
  readonly conversationId: string;
  /** Undefined as long as the server has not numbered it. */
  readonly seq: number | undefined;
  /** The same before and after it has a number; with `senderId`, who has chosen it, good as a key of a list. */
  readonly clientMsgId: string;
  readonly kind: "message" | "system";
  readonly senderId: string;
  readonly contentType: ContentType;
  /** Undefined after a recall. */
  readonly content: string | undefined;
  /** ms since 1970; undefined as long as it is not sent. */
  readonly sentAt: number | undefined;
  readonly status: MessageStatus;
  /** Why it failed, for people. */
  readonly failure?: string;
}

/**
 * Messages of a conversation, ascending, none between them left out: the newest, or those around a number. Own ones without
 * a number are the last, where the newest end is reached.
 */
export interface ViewMessages {
  readonly conversationId: string;
  readonly items: readonly ViewMessage[];
  /** Whether `loadOlder` can bring more. */
  readonly hasOlder: boolean;
  /** Whether `loadNewer` can bring more; never at the newest end, where the view fetches by itself. */
  readonly hasNewer: boolean;
}

/** A conversation in the list. */
export interface ViewConversation {
  readonly conversationId: string;
  readonly kind: "private" | "group";
  /** What to call it: the name of the other one, or of the group; the id where no name is known. */
  readonly title: string;
  /** The other one of a private conversation; oneself in notes to oneself. */
  readonly peerId?: string;
  /** The group, also after one has left it; undefined before the first sync has told it. */
  readonly group?: GroupRow;
  readonly lastSeq: number;
  /** ms since 1970. */
  readonly lastAt: number;
  /** Messages of others, not recalled, that were neither read nor cleared. */
  readonly unread: number;
  readonly preview?: Preview;
  readonly pinned: boolean;
  readonly muted: boolean;
  readonly readSeq: number;
  readonly clearedSeq: number;
  /** Private conversations only. */
  readonly peerReadSeq?: number;
  readonly peerDeliveredSeq?: number;
  /** Who is typing at this moment. */
  readonly typing: readonly string[];
}

/** Somebody to whom one has a relation. */
export interface Person extends Readonly<RelationRow> {
  /** What to call them: the remark, or their own name, or their id. */
  readonly name: string;
}

/** Everybody and every group that one has to do with, by name. */
export interface People {
  readonly relations: readonly Person[];
  /** Those one belongs to; `role` says as what. */
  readonly groups: readonly GroupRow[];
}
