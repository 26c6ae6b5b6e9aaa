import { CarillonError, Command, type ConversationRow, encodeFrame } from "@carillon/protocol";
import type { ApiParts } from "../../parts";
import { readConversation } from "../../reading/conversation-list";

export interface SettingsChange {
  pinned?: boolean;
  muted?: boolean;
  /** Hides messages up to this number from the user. */
  clearedSeq?: number;
  /** Hides all present messages. */
  clear?: boolean;
  /** Leaves the conversation out of all lists until its next event. */
  hidden?: boolean;
}

/** @throws CarillonError NO_SUCH_CONVERSATION (also a conversation of others, or of a group that the user has left), BUSY */
export async function findConversation(
  api: ApiParts,
  userId: string,
  conversationId: string,
): Promise<ConversationRow> {
  // A conversation that began a moment ago is in the log, and not in the archive yet.
  await api.barrier.passed().catch(() => false);
  return present(await readConversation(api, userId, conversationId));
}

function present(found: ConversationRow | undefined): ConversationRow {
  if (found === undefined) throw new CarillonError("NO_SUCH_CONVERSATION");
  return found;
}

/** @returns the conversation as it is then @throws as `findConversation` */
export async function changeSettings(
  api: ApiParts,
  userId: string,
  conversationId: string,
  asked: SettingsChange,
): Promise<ConversationRow> {
  const { pinned, muted, clear = false, clearedSeq = 0, hidden } = asked;
  const wanted = clear ? Number.MAX_SAFE_INTEGER : clearedSeq;
  // The archive is a moment behind: the owner knows the last number.
  const lastSeq = wanted === 0 && hidden !== true ? 0 : (await api.owners.spansOf(userId, conversationId)).lastSeq;
  const change = {
    ...(pinned === undefined ? {} : { pinned }),
    ...(muted === undefined ? {} : { muted }),
    clearedSeq: Math.min(wanted, lastSeq),
    ...(hidden === undefined ? {} : { hiddenSeq: hidden ? lastSeq : 0 }),
  };
  await api.barrier.passed().catch(() => false);
  const changedAt = await api.views.change(userId, conversationId, change);
  if (changedAt === undefined) throw new CarillonError("NO_SUCH_CONVERSATION");
  if (change.clearedSeq > 0) await clearCopies(api, userId, conversationId, change.clearedSeq);
  const news = { what: "conversation-settings" as const, version: changedAt };
  api.changes.notify([userId], encodeFrame(Command.CHANGED, 0, news));
  return present(await readConversation(api, userId, conversationId));
}

/**
 * Removes cleared events from the inboxes, so that a device that was offline does not get them. Redis holds copies only: while
 * Redis is away the device gets them all the same, and the view leaves them out.
 */
async function clearCopies(
  { inboxes, recent }: ApiParts,
  userId: string,
  conversationId: string,
  upTo: number,
): Promise<void> {
  await Promise.all([inboxes.clear(userId, conversationId, upTo), recent.clear(conversationId, userId, upTo)]).catch(
    () => {},
  );
}
