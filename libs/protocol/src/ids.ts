/** The forms of ids: users and groups, targets of messages, conversations. */

/** The characters allow ids of other systems: UUIDs, e-mail addresses, `auth0|...`. None of them separates ids anywhere. */
const userId = /^[A-Za-z0-9_][A-Za-z0-9_.@|+-]{0,63}$/;
const shortId = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
const longId = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Words that mean the caller in HTTP paths; no user may have them as an id. */
function isReserved(id: string): boolean {
  return id === "me" || id === "current";
}

export function isUserId(value: unknown): value is string {
  return typeof value === "string" && userId.test(value) && !isReserved(value);
}

export function isGroupId(value: unknown): value is string {
  return typeof value === "string" && shortId.test(value) && !isReserved(value);
}

export function isDeviceId(value: unknown): value is string {
  return typeof value === "string" && longId.test(value) && !isReserved(value);
}

export function isNodeId(value: unknown): value is string {
  return isDeviceId(value);
}

/** Whether the text is a UUIDv7 in canonical form, lower case. */
export function isClientMsgId(value: unknown): value is string {
  return typeof value === "string" && value.length === 36 && uuidv7.test(value);
}

/** Returns the time in a UUIDv7, ms since 1970. The id must have passed `isClientMsgId`. */
export function uuidv7Time(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The target of a SEND. */
export type Target =
  | { kind: "private"; conversationId: string; peerId: string }
  | { kind: "group"; conversationId: string; groupId: string };

/** The parts of a conversationId. The `userIds` of a private one are in byte order, and the same twice in notes to oneself. */
export type ConversationParts =
  | { kind: "private"; userIds: readonly [string, string] }
  | { kind: "group"; groupId: string };

/** Whether the text is `u:<userId>` or `g:<groupId>`. */
export function isTarget(value: unknown): value is string {
  if (typeof value !== "string") return false;
  return value.startsWith("u:") ? isUserId(value.slice(2)) : value.startsWith("g:") && isGroupId(value.slice(2));
}

/**
 * Reads the `to` of a SEND.
 * @returns undefined if `to` is neither `u:<userId>` nor `g:<groupId>`
 */
export function parseTarget(to: string, senderId: string): Target | undefined {
  if (!isTarget(to)) return undefined;
  const id = to.slice(2);
  if (to.startsWith("g:")) return { kind: "group", conversationId: to, groupId: id };
  return { kind: "private", conversationId: privateConversationId(senderId, id), peerId: id };
}

/** Returns the conversation of two users, independent of their order. Ids are ASCII, so `<` is byte order. */
export function privateConversationId(a: string, b: string): string {
  return a < b ? `p:${a}:${b}` : `p:${b}:${a}`;
}

export function groupConversationId(groupId: string): string {
  return `g:${groupId}`;
}

/** Returns the group of a conversation; undefined for a private one, or for text that is no conversationId. */
export function groupIdOf(conversationId: string): string | undefined {
  const parts = parseConversationId(conversationId);
  return parts?.kind === "group" ? parts.groupId : undefined;
}

/** Returns the parts of a conversationId; undefined if it is malformed or its users are not in byte order. */
export function parseConversationId(conversationId: string): ConversationParts | undefined {
  if (conversationId.startsWith("g:")) {
    const groupId = conversationId.slice(2);
    return isGroupId(groupId) ? { kind: "group", groupId } : undefined;
  }
  if (!conversationId.startsWith("p:")) return undefined;
  const middle = conversationId.indexOf(":", 2);
  if (middle < 0) return undefined;
  const lower = conversationId.slice(2, middle);
  const higher = conversationId.slice(middle + 1);
  return isUserId(lower) && isUserId(higher) && lower <= higher
    ? { kind: "private", userIds: [lower, higher] }
    : undefined;
}

/** Returns the other user of a private conversation; undefined in groups, notes to oneself, and conversations of others. */
export function peerOf(conversationId: string, userId: string): string | undefined {
  const parts = parseConversationId(conversationId);
  if (parts?.kind !== "private" || !parts.userIds.includes(userId)) return undefined;
  return parts.userIds.find((id) => id !== userId);
}

export function isConversationId(value: unknown): value is string {
  return typeof value === "string" && parseConversationId(value) !== undefined;
}
