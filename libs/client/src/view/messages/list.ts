/** The messages of a conversation as they are shown: events and unsent ones, each with its status. Pure. */
import type { Event } from "@carillon/protocol";
import type { Conversation } from "../conversation";
import type { MessageStatus, ViewMessage, ViewMessages } from "../snapshots";
import type { UnsentMessage } from "./unsent";

/** @param before what was shown last: messages that are the same stay the same objects */
export function listMessages(
  conversation: Conversation,
  unsent: readonly UnsentMessage[],
  before: ViewMessages | undefined,
): ViewMessages {
  const { conversationId, window, userId } = conversation;
  const { clearedSeq } = conversation.stored;
  const known = new Map(before?.items.map((item) => [keyOf(item), item]));
  const shown = window.shown.filter(({ kind, seq }) => kind !== "recall" && seq > clearedSeq);
  const items = [
    ...shown.map((event) => toMessage(event, statusOf(event, conversation))),
    ...unsent.map((message) => toUnsent(conversationId, message, userId)),
  ].map((item) => keepSame(known.get(keyOf(item)), item));
  const hasOlder = (window.newest?.[0] ?? conversation.stored.lastSeq + 1) > clearedSeq + 1;
  const isSame = before?.hasOlder === hasOlder && before.items.length === items.length;
  if (isSame && items.every((item, i) => item === before.items[i])) return before;
  return { conversationId, items, hasOlder };
}

/** Each sender chooses his ids himself: two may have the same. */
const keyOf = ({ senderId, clientMsgId }: ViewMessage) => `${senderId}/${clientMsgId}`;

function statusOf(
  { kind, senderId, seq, content }: Event,
  { userId, stored, kind: of, peerId }: Conversation,
): MessageStatus {
  if (kind === "message" && content === undefined) return "recalled";
  if (senderId !== userId) return seq <= stored.readSeq ? "read" : "delivered";
  // Nobody but oneself reads notes to oneself.
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

function keepSame(before: ViewMessage | undefined, item: ViewMessage): ViewMessage {
  if (before === undefined) return item;
  const keys = Object.keys(item) as (keyof ViewMessage)[];
  const isSame = keys.length === Object.keys(before).length && keys.every((key) => before[key] === item[key]);
  return isSame ? before : item;
}
