/** The delivery receipts of events. */
import type { EventHead } from "./events/event-bytes";
import { peerOf } from "./ids";

/**
 * Returns, for each private conversation, the number up to which a user has received it when one of the user's devices has these
 * events. The user's own events and events of groups cause no receipts.
 * @param events in inbox order
 */
export function deliveredBy(userId: string, events: Iterable<EventHead>): Map<string, number> {
  const marks = new Map<string, number>();
  for (const { conversationId, seq, senderId } of events) {
    if (senderId !== userId && peerOf(conversationId, userId) !== undefined) marks.set(conversationId, seq);
  }
  return marks;
}
