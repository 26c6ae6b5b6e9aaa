/**
 * The snapshots that an app shows. All are immutable: a snapshot that changes is replaced by another object, and an unchanged one
 * stays the same object. So comparing with `===` tells an app what to draw again.
 */
import type { ContentType, GroupRow, Preview, RelationRow } from "@carillon/protocol";

/**
 * The status of a message. The user's own: `sending` (no number yet), `sent` (the server has stored it durably), `delivered` and
 * `read` (by the other user, in private conversations), `failed` (the attempts are over, or the server refused it). Of other
 * users: `delivered` until this user has read it, then `read`. Any: `recalled`, and then without content.
 */
export type MessageStatus = "sending" | "sent" | "delivered" | "read" | "recalled" | "failed";

/** A message as an app shows it, or a change of a group (`kind` is `system`; `parseSystemContent` reads its content). */
export interface ViewMessage {
  readonly conversationId: string;
  /** Undefined as long as the server has not numbered the message. */
  readonly seq: number | undefined;
  /**
   * The same before and after the message has a number. Together with `senderId`, whose client has chosen it, it is a good key of
   * a list.
   */
  readonly clientMsgId: string;
  readonly kind: "message" | "system";
  readonly senderId: string;
  readonly contentType: ContentType;
  /** Undefined after a recall. */
  readonly content: string | undefined;
  /** ms since 1970; undefined as long as the message is not sent. */
  readonly sentAt: number | undefined;
  readonly status: MessageStatus;
  /** The reason of the failure, as text for people. */
  readonly failure?: string;
}

/**
 * Messages of a conversation, ascending and without a gap: the newest, or those around a number. The user's own messages without
 * a number are the last, if the newest end is reached.
 */
export interface ViewMessages {
  readonly conversationId: string;
  readonly items: readonly ViewMessage[];
  /** Whether `loadOlder` can bring more. */
  readonly hasOlder: boolean;
  /** Whether `loadNewer` can bring more; never at the newest end, where the view fetches messages itself. */
  readonly hasNewer: boolean;
}

/** A conversation in the list. */
export interface ViewConversation {
  readonly conversationId: string;
  readonly kind: "private" | "group";
  /** The title: the name of the other user, or of the group; the id if no name is known. */
  readonly title: string;
  /** The other user of a private conversation; the user themselves in notes to themselves. */
  readonly peerId?: string;
  /** The group, also after the user has left it; undefined before the first SYNC. */
  readonly group?: GroupRow;
  readonly lastSeq: number;
  /** ms since 1970. */
  readonly lastAt: number;
  /** The number of messages of other users that are not recalled, read or cleared. */
  readonly unread: number;
  readonly preview?: Preview;
  readonly pinned: boolean;
  readonly muted: boolean;
  readonly readSeq: number;
  readonly clearedSeq: number;
  /** Private conversations only. */
  readonly peerReadSeq?: number;
  readonly peerDeliveredSeq?: number;
  /** The ids of the users who are typing now. */
  readonly typing: readonly string[];
}

/** A user to whom the user has a relation. */
export interface Person extends Readonly<RelationRow> {
  /** The name to show: the user's remark, or the person's own name, or their id. */
  readonly name: string;
}

/** All relations and groups of the user, by name. */
export interface People {
  readonly relations: readonly Person[];
  /** The groups to which the user belongs; `role` is the user's role. */
  readonly groups: readonly GroupRow[];
}
