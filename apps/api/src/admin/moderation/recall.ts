/**
 * A message that operators take back. The request goes the way of every RECALL, in the name of the message's sender, and says
 * that it is the operators': so neither rights nor time count. Its id follows from the message, so it is made once.
 */
import { createHash } from "node:crypto";
import { uuidv7 } from "@carillon/base";
import { CarillonError, isConversationId } from "@carillon/protocol";
import type { MessageSender } from "../../messages/message-sender";
import { type HistoryContext, type HistoryPage, type HistoryRange, readHistory } from "../../queries/history";

export interface ModerationContext extends HistoryContext {
  /** All of a conversation, from its owner. */
  wholeOf: (conversationId: string) => ReturnType<HistoryContext["spans"]>;
  messages: Pick<MessageSender, "send">;
}

/** Whoever asks, all is shown that is kept. @throws CarillonError NO_SUCH_CONVERSATION, BUSY */
export async function readWhole(
  context: ModerationContext,
  conversationId: string,
  range: HistoryRange,
): Promise<HistoryPage> {
  if (!isConversationId(conversationId)) throw new CarillonError("NO_SUCH_CONVERSATION");
  const spans = (_: string, wanted: string) => context.wholeOf(wanted);
  return readHistory({ ...context, spans }, "", conversationId, range);
}

/** @throws CarillonError NO_SUCH_CONVERSATION, NO_SUCH_MESSAGE, RECALL_NOT_ALLOWED (it is no message), BUSY */
export async function recallByOperator(context: ModerationContext, conversationId: string, seq: number): Promise<void> {
  const range = { from: seq, to: seq, limit: 1, backwards: false };
  const [event] = (await readWhole(context, conversationId, range)).events;
  if (event === undefined) throw new CarillonError("NO_SUCH_MESSAGE");
  if (event.kind !== "message") throw new CarillonError("RECALL_NOT_ALLOWED", "this is no message of somebody");
  // It was taken back before.
  if (event.content === undefined) return;
  const { senderId, sentAt } = event;
  const clientMsgId = uuidv7(sentAt, createHash("sha256").update(`recall ${conversationId} ${seq}`).digest());
  const recall = { senderId, clientMsgId, conversationId, contentType: "system", content: "", targetSeq: seq };
  await context.messages.send({ ...recall, byOperator: true });
}
