/** Who has read a message: names, or for a large group only how many. */
import { CarillonError, parseConversationId } from "@carillon/protocol";
import type { GroupQueries, ReadEvent, Reader, ViewQueries } from "@carillon/store";
import { pageById, readIdCursor } from "../http/cursor";
import { type HistoryContext, readHistory } from "../queries/history";

export interface ReadersContext extends HistoryContext {
  views: HistoryContext["views"] & Pick<ViewQueries, "readers" | "readerCount">;
  groups: Pick<GroupQueries, "find" | "leftAt">;
  /** Whether who joins a group may read what was said before. */
  showsBefore: boolean;
}

/** Of a large group there are no names: it would be a list of thousands, of which each member could ask. */
export type ReadersPage = { items: Reader[]; cursor?: string } | { count: number };

/**
 * Those who have read up to an event, without its sender: the peer, or the members who may have seen it. The marks are
 * those of MySQL, which are a moment behind.
 * @throws CarillonError NO_SUCH_CONVERSATION, NO_SUCH_MESSAGE (also one that he may not read), BUSY
 */
export async function listReaders(
  context: ReadersContext,
  userId: string,
  place: { conversationId: string; seq: number },
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<ReadersPage> {
  const { conversationId, seq } = place;
  const range = { from: seq, to: seq, limit: 1, backwards: false, hidesCleared: true };
  const [event] = (await readHistory(context, userId, conversationId, range)).events;
  if (event === undefined) throw new CarillonError("NO_SUCH_MESSAGE");
  const { views, groups, showsBefore } = context;
  const parts = parseConversationId(conversationId);
  const group = parts?.kind === "group" ? await groups.find(parts.groupId) : undefined;
  const read: ReadEvent = {
    conversationId,
    seq,
    senderId: event.senderId,
    groupId: showsBefore ? undefined : group?.groupId,
    // Somebody who has left learns nothing of what was read since.
    until: group === undefined ? undefined : await groups.leftAt(group.groupId, userId),
  };
  if (group?.fanOut === "read") return { count: await views.readerCount(read) };
  const found = await views.readers(read, limit + 1, readIdCursor("readers", cursor));
  return pageById("readers", found, limit, (reader) => reader.userId);
}
