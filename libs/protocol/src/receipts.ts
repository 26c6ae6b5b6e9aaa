/** What receipts tell. */
import type { EventHead } from "./events/event-bytes";
import { peerOf } from "./ids";

/**
 * Up to which number the private conversations of a user are delivered when one of their devices has these events.
 * The user's own events tell nothing, and in groups nobody is told.
 * @param events in inbox order
 */
export function deliveredBy(userId: string, events: Iterable<EventHead>): Map<string, number> {
  const marks = new Map<string, number>();
  for (const { conversationId, seq, senderId } of events) {
    if (senderId !== userId && peerOf(conversationId, userId) !== undefined) marks.set(conversationId, seq);
  }
  return marks;
}
