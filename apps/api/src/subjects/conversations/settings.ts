/** What users make of a conversation for themselves: pinned, muted, cleared, hidden. Their other devices hear of it. */
import type { ChangeTeller } from "@carillon/bus";
import { CarillonError, Command, type ConversationRow, encodeFrame } from "@carillon/protocol";
import type { ConversationQueries, Inboxes, RecentEvents, ViewQueries } from "@carillon/store";
import type { ArchiveBarrier } from "../../reading/archive-barrier";
import { type ListContext, readConversation } from "../../reading/conversation-list";
import type { HistoryContext } from "../../reading/history";

export interface SettingsContext {
  conversations: ListContext["conversations"] & Pick<ConversationQueries, "find">;
  views: Pick<ViewQueries, "change">;
  marks: ListContext["marks"];
  spans: HistoryContext["spans"];
  barrier: Pick<ArchiveBarrier, "passed" | "passedFor">;
  changes: Pick<ChangeTeller, "notify">;
  inboxes: Pick<Inboxes, "clear">;
  recent: Pick<RecentEvents, "clear">;
}

export interface SettingsWishes {
  pinned?: boolean;
  muted?: boolean;
  /** The user does not want to see messages up to this number any more. */
  clearedSeq?: number;
  /** All that there is now is cleared. */
  clear?: boolean;
  /** In no list until something new is said. */
  hidden?: boolean;
}

/** @throws CarillonError NO_SUCH_CONVERSATION (also a conversation of others, or of a group that the user has left), BUSY */
export async function findConversation(
  context: SettingsContext,
  userId: string,
  conversationId: string,
): Promise<ConversationRow> {
  // One that began a moment ago is in the log, and not in the archive yet.
  await context.barrier.passed().catch(() => false);
  return present(await readConversation(context, userId, conversationId));
}

function present(found: ConversationRow | undefined): ConversationRow {
  if (found === undefined) throw new CarillonError("NO_SUCH_CONVERSATION");
  return found;
}

/** @returns the conversation as it is then @throws as `findConversation` */
export async function changeSettings(
  context: SettingsContext,
  userId: string,
  conversationId: string,
  wishes: SettingsWishes,
): Promise<ConversationRow> {
  const { pinned, muted, clear = false, clearedSeq = 0, hidden } = wishes;
  const wanted = clear ? Number.MAX_SAFE_INTEGER : clearedSeq;
  // The archive is a moment behind: the owner knows the last number.
  const lastSeq = wanted === 0 && hidden !== true ? 0 : (await context.spans(userId, conversationId)).lastSeq;
  const change = {
    ...(pinned === undefined ? {} : { pinned }),
    ...(muted === undefined ? {} : { muted }),
    clearedSeq: Math.min(wanted, lastSeq),
    ...(hidden === undefined ? {} : { hiddenSeq: hidden ? lastSeq : 0 }),
  };
  await context.barrier.passed().catch(() => false);
  const changedAt = await context.views.change(userId, conversationId, change);
  if (changedAt === undefined) throw new CarillonError("NO_SUCH_CONVERSATION");
  if (change.clearedSeq > 0) await clearCopies(context, userId, conversationId, change.clearedSeq);
  const news = { what: "conversation-settings" as const, version: changedAt };
  context.changes.notify([userId], encodeFrame(Command.CHANGED, 0, news));
  return present(await readConversation(context, userId, conversationId));
}

/**
 * A device that was offline does not get what was cleared meanwhile. What Redis holds is a copy: while Redis is away the
 * device gets it all the same, and the view leaves it out.
 */
async function clearCopies(
  { inboxes, recent }: SettingsContext,
  userId: string,
  conversationId: string,
  upTo: number,
): Promise<void> {
  await Promise.all([inboxes.clear(userId, conversationId, upTo), recent.clear(conversationId, userId, upTo)]).catch(
    () => {},
  );
}
