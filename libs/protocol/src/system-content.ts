/**
 * What the content of a `system` event says, as JSON: history explains itself by them. Who did it is the event's
 * sender. A client that does not know a type shows nothing.
 */
import type { GroupRole, JoinPolicy } from "./generated/payloads";

/** A change of a group; `userIds` and `userId` are those whom it is about. */
export type SystemContent =
  /** The group was made, with these members besides its owner. */
  | { type: "created"; userIds: string[] }
  /** These became members; the sender himself, or those whom he brought. */
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

export function encodeSystemContent(content: SystemContent): string {
  return JSON.stringify(content);
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
