/** State that the pages of one sync share, and its progress: clients carry it from page to page. */
import type { InboxPosition } from "@carillon/protocol";
import type { ConversationPlace } from "@carillon/store";
import { readCursor, writeCursor } from "../http/cursor";

export interface SyncStart {
  /** Where the inbox stood before anything else was read. */
  inbox: InboxPosition;
  /** When the sync began, ms by the database's clock. */
  begunAt: number;
  /** Whether this is the first page. */
  isFirst: boolean;
  /** Conversations changed since are listed, from behind this place on; at last, by `begunAt`, those that moved. */
  since: number;
  place: ConversationPlace;
  /** Relations up to this version were sent, and the version that all pages tell. */
  relationsSent: number;
  relationsVersion: number;
  /** Groups changed since are listed, from behind this id on. */
  groupsSince: number;
  groupsAfter: string;
}

/** Before the newest conversation, and behind the oldest: all are listed. */
export const NEWEST: ConversationPlace = { lastAt: Number.MAX_SAFE_INTEGER, conversationId: "" };
export const ALL_LISTED: ConversationPlace = { lastAt: -1, conversationId: "" };
/** Behind every id. */
export const ALL_GROUPS = "~";

const FORM = [
  "string",
  "number",
  "number",
  "number",
  "number",
  "string",
  "number",
  "number",
  "number",
  "string",
] as const;

export function toCursor({ inbox, begunAt, since, place, ...rest }: SyncStart): string {
  const { relationsSent, relationsVersion, groupsSince, groupsAfter } = rest;
  const conversations = [since, place.lastAt, place.conversationId];
  const others = [relationsSent, relationsVersion, groupsSince, groupsAfter];
  return writeCursor("sync", [inbox.epoch, inbox.seq, begunAt, ...conversations, ...others]);
}

/** @throws CarillonError BAD_PAYLOAD */
export function fromCursor(cursor: string): SyncStart {
  const [
    epoch,
    seq,
    begunAt,
    since,
    lastAt,
    conversationId,
    relationsSent,
    relationsVersion,
    groupsSince,
    groupsAfter,
  ] = readCursor("sync", FORM, cursor) as [
    string,
    number,
    number,
    number,
    number,
    string,
    number,
    number,
    number,
    string,
  ];
  return {
    inbox: { epoch, seq },
    begunAt,
    isFirst: false,
    since,
    place: { lastAt, conversationId },
    relationsSent,
    relationsVersion,
    groupsSince,
    groupsAfter,
  };
}
