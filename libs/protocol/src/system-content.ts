/**
 * What the content of a `system` event says, as JSON: history explains itself by them. Who did it is the event's
 * sender. A client that does not know a type shows nothing.
 */
import { utf8Length } from "./codec/utf8";
import { limits } from "./generated/limits";
import type { GroupRole, JoinPolicy } from "./generated/payloads";

/** What stands around a list of user ids, and around each of them: quotes and comma. */
const BYTES_AROUND = 64;
const BYTES_AROUND_USER = 3;

/**
 * A change of a group; `userIds` and `userId` are those whom it is about. With `by` the operators of the service did it: the
 * event's sender, the owner of the group, had no part in it.
 */
export type SystemContent = GroupChange & { by?: "operator" };

type GroupChange =
  /** The group was made, with these members besides its owner. */
  | { type: "created"; userIds: string[] }
  /** These became members: the sender, or the users whom the sender brought. */
  | { type: "joined"; userIds: string[] }
  | { type: "left" }
  | { type: "removed"; userIds: string[] }
  | { type: "role"; userId: string; role: GroupRole }
  /** The group has another owner; the sender is an admin now. */
  | { type: "transferred"; userId: string }
  | { type: "muted"; muted: boolean }
  /** `until`: ms since 1970; 0: may send again. */
  | { type: "member-muted"; userId: string; until: number }
  | { type: "profile"; name?: string; notice?: string; joinPolicy?: JoinPolicy }
  | { type: "dissolved" };

/**
 * The content of the event.
 * @throws RangeError above the bound of a content: no device could read the event. `splitSystemContent` keeps below it
 */
export function encodeSystemContent(content: SystemContent): string {
  const text = JSON.stringify(content);
  if (utf8Length(text) > limits.maxContentBytes) {
    throw new RangeError(`the event of a change (${content.type}) is above ${limits.maxContentBytes} bytes`);
  }
  return text;
}

/**
 * A change that is about many people as several changes, each of whose events fits: who is made a member together with
 * the group and does not fit into `created` joins right after it.
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

/** At least one part, each as long as the event of a change may be. */
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

/** @returns undefined for what no build of ours has written */
export function parseSystemContent(text: string | undefined): SystemContent | undefined {
  if (text === undefined) return undefined;
  try {
    const content = JSON.parse(text) as SystemContent | null;
    return typeof content?.type === "string" ? content : undefined;
  } catch {
    return undefined;
  }
}

/** Who is a member from such an event on, and who until such an event. */
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
