/** Tests of one conversation of the view: rows of SYNC against events since the server read the rows. */
import type { ConversationRow, Event } from "@carillon/protocol";
import { Conversation } from "../src/view/conversation";
import { MessageWindow } from "../src/view/messages/window";

const CHAT = "p:bob:mia";
const conversationOf = () => new Conversation(CHAT, "mia", new MessageWindow());

const row = (lastSeq: number, more: Partial<ConversationRow> = {}): ConversationRow => ({
  ...{ conversationId: CHAT, kind: "private", lastSeq, lastAt: lastSeq, readSeq: 0, clearedSeq: 0, unread: lastSeq },
  ...{ pinned: false, muted: false, preview: { senderId: "bob", contentType: "text", text: `${lastSeq}` } },
  ...more,
});

const event = (seq: number, more: Partial<Event> = {}): Event => ({
  ...{ conversationId: CHAT, seq, kind: "message", senderId: "bob", contentType: "text", content: `${seq}` },
  ...{ sentAt: seq, messageId: `${seq}`, clientMsgId: `${seq}` },
  ...more,
});

function recall(seq: number, targetSeq: number, senderId = "bob"): Event {
  const { content: _, ...rest } = event(seq, { kind: "recall", targetSeq, senderId });
  return rest;
}

test("after a recall of a message that only the row shows, the same row again does not settle the doubt", () => {
  const conversation = conversationOf();
  const read = { readSeq: 8, unread: 0 };
  conversation.takeRow(row(8, read));
  conversation.takeEvent(recall(9, 8));
  expect(conversation.isExact).toBe(false);
  conversation.takeRow(row(8, read));
  expect(conversation.isExact).toBe(false);
  conversation.takeRow(row(9, { ...read, preview: { senderId: "bob", contentType: "text", text: "" } }));
  expect([conversation.isExact, conversation.unread, conversation.preview?.text]).toEqual([true, 0, ""]);
});

test("if a row is older than an event without a message, the view asks for the preview", () => {
  const conversation = conversationOf();
  const read = { readSeq: 10, unread: 0 };
  conversation.takeEvent(recall(11, 3));
  conversation.takeRow(row(10, read));
  expect([conversation.isExact, conversation.preview]).toEqual([false, undefined]);
  conversation.takeRow(row(11, { ...read, preview: row(10).preview! }));
  expect([conversation.isExact, conversation.preview?.text]).toEqual([true, "10"]);
});

test("if a row is older than a message, the view does not ask again: the message shows more than the row", () => {
  const conversation = conversationOf();
  conversation.takeEvent(event(11));
  conversation.takeRow(row(10));
  expect([conversation.isExact, conversation.preview?.text, conversation.unread]).toEqual([true, "11", 11]);
  // The view does not ask either if it has the events since then.
  conversation.takeEvent(recall(12, 2));
  conversation.takeRow(row(11));
  expect([conversation.stored.doubtSeq, conversation.preview?.text]).toEqual([undefined, "11"]);
});

test("in a conversation that never rests, a row as new as the doubt settles it", () => {
  const conversation = conversationOf();
  conversation.takeRow(row(8, { readSeq: 8, unread: 0 }));
  conversation.takeEvent(recall(9, 8));
  conversation.takeEvent(event(10));
  conversation.takeRow(row(9, { readSeq: 8, unread: 0 }));
  expect([conversation.isExact, conversation.preview?.text]).toEqual([true, "10"]);
  // The view need not count the events that the row includes.
  for (let seq = 11; seq <= 520; seq++) conversation.takeEvent(event(seq));
  expect(conversation.isExact).toBe(false);
  conversation.takeRow(row(500, { readSeq: 8, unread: 491 }));
  expect([conversation.isExact, conversation.unread]).toEqual([true, 511]);
});

test("a message that arrives late, in its form before a recall, is neither counted nor shown", () => {
  const conversation = conversationOf();
  conversation.takeRow(row(3, { readSeq: 3, unread: 0 }));
  conversation.takeEvent(recall(5, 4));
  conversation.takeEvent(event(4, { content: "taken back" }));
  expect([conversation.unread, conversation.window.get(4)?.content]).toEqual([0, undefined]);
  expect(conversation.preview?.text).not.toBe("taken back");
});

test("an older row moves no mark back and counts no event twice", () => {
  const conversation = conversationOf();
  conversation.takeRow(row(5, { readSeq: 2, unread: 3, peerReadSeq: 4, peerDeliveredSeq: 5 }));
  for (const seq of [6, 7]) conversation.takeEvent(event(seq));
  conversation.read(6);
  conversation.takeReceipt("read", { userId: "bob", seq: 7 });
  conversation.takeRow(row(6, { readSeq: 1, clearedSeq: 1, unread: 5, peerReadSeq: 1, peerDeliveredSeq: 1 }));
  const { readSeq, clearedSeq, peerReadSeq, peerDeliveredSeq, lastSeq } = conversation.stored;
  expect({ readSeq, clearedSeq, peerReadSeq, peerDeliveredSeq, lastSeq, unread: conversation.unread }).toEqual({
    ...{ readSeq: 6, clearedSeq: 1, peerReadSeq: 7, peerDeliveredSeq: 7, lastSeq: 7, unread: 1 },
  });
});

test("a row that includes the mark, or is newer than it on the server, tells what was read before it arrived", () => {
  const conversation = conversationOf();
  conversation.takeRow(row(1));
  conversation.read(3);
  conversation.takeEvent(event(2));
  const shown = () => [conversation.isExact, conversation.stored.readSeq, conversation.unread];
  expect(shown()).toEqual([false, 1, 1]);
  conversation.takeRow(row(2), false);
  expect(shown()).toEqual([false, 1, 1]);
  // The server cuts a mark to the last number, and does not extend it later.
  conversation.takeRow(row(2, { readSeq: 2, unread: 0 }), true);
  conversation.takeEvent(event(3));
  expect(shown()).toEqual([true, 2, 1]);
  conversation.read(5);
  for (const seq of [4, 5]) conversation.takeEvent(event(seq));
  conversation.takeRow(row(5, { readSeq: 5, unread: 0 }), false);
  expect(shown()).toEqual([true, 5, 0]);
});
