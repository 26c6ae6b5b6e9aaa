/**
 * The content of a `system` event, as JSON: it explains a change of a group in the history. The sender of the event made the
 * change. A client that does not know a type shows nothing.
 */
import { utf8Length } from "./codec/utf8";
import { limits } from "./generated/limits";
import type { GroupRole, JoinPolicy } from "./generated/payloads";

/** The bytes around a list of user ids, and around each id: quotes and comma. */
const BYTES_AROUND = 64;
const BYTES_AROUND_USER = 3;

/**
 * A change of a group; `userIds` and `userId` name the users whom it concerns. If `by` is set, the operators of the service made
 * the change, and the sender of the event, the owner of the group, had no part in it.
 */
export type SystemContent = GroupChange & { by?: "operator" };

type GroupChange =
  /** The group was created with these members besides its owner. */
  | { type: "created"; userIds: string[] }
  /** These users became members: the sender joined, or the sender added them. */
  | { type: "joined"; userIds: string[] }
  | { type: "left" }
  | { type: "removed"; userIds: string[] }
  | { type: "role"; userId: string; role: GroupRole }
  /** The group has another owner; the sender is an admin now. */
  | { type: "transferred"; userId: string }
  | { type: "muted"; muted: boolean }
  /** `until`: ms since 1970; 0: the member may send again. */
  | { type: "member-muted"; userId: string; until: number }
  | { type: "profile"; name?: string; notice?: string; joinPolicy?: JoinPolicy }
  | { type: "dissolved" };

/**
 * Encodes the content of the event.
 * @throws RangeError above the limit of a content: no device could read the event. `splitSystemContent` stays below it
 */
export function encodeSystemContent(content: SystemContent): string {
  const text = JSON.stringify(content);
  if (utf8Length(text) > limits.maxContentBytes) {
    throw new RangeError(`the event of a change (${content.type}) is above ${limits.maxContentBytes} bytes`);
  }
  return text;
}

/**
 * Splits a change that concerns many users into several changes whose events fit: members of a new group that do not fit into
 * `created` join right after it.
 */
export function splitSystemContent(content: SystemContent): SystemContent[] {
  if (!("userIds" in content)) return [content];
  const rest = content.type === "created" ? "joined" : content.type;
  return partsOf(content.userIds).map((userIds, at) => ({
    ...content,
    type: at === 0 ? content.type : rest,
    userIds,
  }));
}

/** Returns at least one part; each part fits into the content of one event. */
function partsOf(userIds: string[]): string[][] {
  const parts: string[][] = [[]];
  let bytes = BYTES_AROUND;
  for (const userId of userIds) {
    bytes += userId.length + BYTES_AROUND_USER;
    if (bytes > limits.maxContentBytes) {
      parts.push([]);
      bytes = BYTES_AROUND + userId.length + BYTES_AROUND_USER;
    }
    parts.at(-1)!.push(userId);
  }
  return parts;
}

/** @returns undefined for content that no version of Carillon has written */
export function parseSystemContent(text: string | undefined): SystemContent | undefined {
  if (text === undefined) return undefined;
  try {
    const content = JSON.parse(text) as SystemContent | null;
    return typeof content?.type === "string" ? content : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the users who become members by such an event, and those who cease to be. */
export function membershipOf(
  senderId: string,
  content: SystemContent | undefined,
): { joined: string[]; left: string[] } {
  switch (content?.type) {
    case "created":
      return { joined: [senderId, ...content.userIds], left: [] };
    case "joined":
      return { joined: content.userIds, left: [] };
    case "left":
      return { joined: [], left: [senderId] };
    case "removed":
      return { joined: [], left: content.userIds };
    default:
      return { joined: [], left: [] };
  }
}
