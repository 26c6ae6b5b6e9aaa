import type { SendRequest } from "@carillon/bus";

/** Requests of one sender into one conversation keep their order: when one of them waits, those behind it wait, too. */
export function placeOf({ senderId, conversationId }: Pick<SendRequest, "senderId" | "conversationId">): string {
  return `${senderId} ${conversationId}`;
}
