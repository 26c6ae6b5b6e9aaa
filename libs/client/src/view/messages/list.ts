/**
 * The messages of a conversation as an app shows them: events and unsent messages, each with its status. The function is pure.
 */
import type { Event } from "@carillon/protocol";
import type { Conversation } from "../conversation";
import type { MessageStatus, ViewMessage, ViewMessages } from "../snapshots";
import type { UnsentMessage } from "./unsent";

/** The last shown forms of events and unsent messages: an unchanged message stays the same object. */
export type Drawn = WeakMap<Event | UnsentMessage, ViewMessage>;

/**
 * Lists messages of a conversation.
 * @param unsent own messages at the newest end; shown if the list reaches that end
 * @param before the list that was shown last
 * @param around the number around which the app looks, as in `view.messages`
 */
export function listMessages(
  conversation: Conversation,
  unsent: readonly UnsentMessage[],
  before: ViewMessages | undefined,
  drawn: Drawn,
  around: number | undefined,
): ViewMessages {
  const { conversationId, window, userId } = conversation;
  const { clearedSeq, lastSeq } = conversation.stored;
  const place = conversation.placeOf(around);
  const range = window.rangeOf(place);
  const hasOlder = (range?.[0] ?? (place ?? lastSeq) + 1) > clearedSeq + 1;
  const hasNewer = place !== undefined && (range?.[1] ?? 0) < lastSeq;
  const items: ViewMessage[] = [];
  for (const event of window.eventsIn(range)) {
    if (event.kind === "recall" || event.seq <= clearedSeq) continue;
    const status = statusOf(event, conversation);
    items.push(drawn.get(event)?.status === status ? drawn.get(event)! : keep(drawn, event, toMessage(event, status)));
  }
  for (const message of hasNewer ? [] : unsent) {
    items.push(drawn.get(message) ?? keep(drawn, message, toUnsent(conversationId, message, userId)));
  }
  const isSame = before?.hasOlder === hasOlder && before.hasNewer === hasNewer && before.items.length === items.length;
  if (isSame && items.every((item, i) => item === before.items[i])) return before;
  return { conversationId, items, hasOlder, hasNewer };
}

function keep(drawn: Drawn, what: Event | UnsentMessage, item: ViewMessage): ViewMessage {
  drawn.set(what, item);
  return item;
}

function statusOf(
  { kind, senderId, seq, content }: Event,
  { userId, stored, kind: of, peerId }: Conversation,
): MessageStatus {
  if (kind === "message" && content === undefined) return "recalled";
  if (senderId !== userId) return seq <= stored.readSeq ? "read" : "delivered";
  // Only the user reads notes to themselves.
  if (of === "group" || peerId === userId) return "sent";
  if (seq <= stored.peerReadSeq) return "read";
  return seq <= stored.peerDeliveredSeq ? "delivered" : "sent";
}

function toMessage(event: Event, status: MessageStatus): ViewMessage {
  const { conversationId, seq, clientMsgId, senderId, contentType, content, sentAt } = event;
  const kind = event.kind === "system" ? "system" : "message";
  return { conversationId, seq, clientMsgId, kind, senderId, contentType, content, sentAt, status };
}

function toUnsent(conversationId: string, message: UnsentMessage, userId = ""): ViewMessage {
  const { payload, sent, failure } = message;
  const { clientMsgId, contentType, content } = payload;
  const status = failure !== undefined ? "failed" : sent === undefined ? "sending" : "sent";
  const rest = { contentType, content, sentAt: sent?.sentAt, status } as const;
  const item = { conversationId, seq: sent?.seq, clientMsgId, kind: "message", senderId: userId, ...rest } as const;
  return failure === undefined ? item : { ...item, failure };
}
