import type { ArchivedMessage } from "@carillon/store";
import {
  findHoles,
  judgeArchived,
  judgeConversationInInbox,
  judgeCounts,
  judgeInbox,
  judgeJoint,
  judgeMarks,
  judgeQueue,
  LogNumbers,
} from "../src/audit/compare";

const conversationId = "p:alice:bob";
const whats = (findings: { what: string }[]) => findings.map(({ what }) => what);

describe("the archive alone", () => {
  const right = { conversationId, count: 5, first: 1, last: 5, messages: 4, ids: 4, lastSeq: 5, purgedSeq: 0 };

  test("1..n is right", () => expect(judgeCounts(right)).toEqual([]));

  test("and so is what retention has left", () => {
    expect(judgeCounts({ ...right, first: 3, count: 3, purgedSeq: 2 })).toEqual([]);
  });

  test.each([
    ["a hole", { count: 4 }],
    ["no beginning", { first: 2, count: 4 }],
    ["a conversation that says another end", { lastSeq: 4 }],
    ["a conversation without a row", { lastSeq: null }],
  ])("%s", (_, change) => {
    expect(judgeCounts({ ...right, ...change })).toMatchObject([{ invariant: "I4 numbers", where: conversationId }]);
  });

  test("one id of a sender under two numbers", () => {
    expect(judgeCounts({ ...right, ids: 3 })).toMatchObject([{ invariant: "I2 once" }]);
  });

  test("which numbers are missing", () => {
    expect(findHoles([1, 2, 3])).toEqual([]);
    expect(findHoles([2, 4, 8])).toEqual(["1", "3", "5-7"]);
    expect(findHoles([11, 13], 10)).toEqual(["12"]);
  });
});

describe("the log against the archive", () => {
  const message: ArchivedMessage = {
    ...{ conversationId, seq: 3, messageId: "77", senderId: "alice", clientMsgId: "c" },
    ...{ contentType: "text", content: "hello", sentAt: 5 },
  };

  test("the same is right", () => expect(judgeArchived(message, { ...message })).toEqual([]));

  test("another content, another id, and no row", () => {
    expect(whats(judgeArchived(message, { ...message, content: "hullo", messageId: "78" }))).toEqual([
      "log and archive differ in messageId, content",
    ]);
    expect(judgeArchived(message, undefined)).toMatchObject([{ where: `${conversationId}#3` }]);
  });

  test("numbers of the log follow each other, conversation by conversation", () => {
    const numbers = new LogNumbers();
    const all = [7, 8].flatMap((seq) => [...numbers.next("p:a:b", seq), ...numbers.next("p:a:c", seq - 6)]);
    expect(all).toEqual([]);
    expect(whats(numbers.next("p:a:b", 10))).toEqual(["in the log, 10 follows 8"]);
    expect(whats(numbers.next("p:a:c", 2))).toEqual(["in the log, 2 follows 2"]);
    expect([...numbers.last]).toEqual([
      ["p:a:b", 10],
      ["p:a:c", 2],
    ]);
  });

  test("the log goes on where the archive ends, which may have moved on meanwhile", () => {
    expect(judgeJoint(conversationId, 6, 5)).toEqual([]);
    expect(judgeJoint(conversationId, 6, 9)).toEqual([]);
    expect(whats(judgeJoint(conversationId, 6, 4))).toEqual(["the archive ends at 4, the log goes on with 6"]);
  });
});

describe("an inbox", () => {
  const entries = (...rows: [inboxSeq: number, seq: number][]) =>
    rows.map(([inboxSeq, seq]) => ({ inboxSeq, conversationId, seq }));

  test("a missing entry in the middle, and at the end", () => {
    expect(judgeInbox("bob", 3, entries([1, 1], [2, 2], [3, 3]))).toEqual([]);
    expect(judgeInbox("bob", 1_500, entries([1_499, 1], [1_500, 2]))).toEqual([]);
    expect(whats(judgeInbox("bob", 4, entries([1, 1], [3, 3])))).toEqual([
      "2 is missing",
      "it ends at 3, its head is at 4",
    ]);
  });

  test("a conversation in it: missing, out of order, cut off; one that is not there is not judged", () => {
    const judge = (...seqs: number[]) =>
      whats(
        judgeConversationInInbox(
          "bob",
          conversationId,
          { last: 6, expected: [] },
          entries(...seqs.map((s, i) => [i + 1, s] as [number, number])),
        ),
      );
    expect(judge(4, 5, 6, 7)).toEqual([]);
    expect(judge()).toEqual([]);
    expect(judge(3, 5, 6)).toEqual(["message 4 is missing"]);
    expect(judge(5, 5, 6)).toEqual(["message 5 stands behind 5"]);
    expect(judge(4, 5)).toEqual(["it ends at message 5, inboxes are filled up to 6"]);
  });

  test("a group in it: only what was put there is expected", () => {
    const judge = (expected: number[], ...seqs: number[]) => {
      const rows = seqs.map((seq, i) => ({ inboxSeq: i + 1, conversationId: "g:choir", seq }));
      return whats(judgeConversationInInbox("bob", "g:choir", { last: 9, expected }, rows));
    };
    expect(judge([4, 5, 6], 4, 5, 6)).toEqual([]);
    expect(judge([4, 5, 9], 4, 5, 9)).toEqual([]);
    expect(judge([2, 3, 4], 3, 4)).toEqual([]);
    expect(judge([4, 5, 6], 4, 6)).toEqual(["message 5 is missing"]);
    expect(judge([4, 5, 6], 4, 5)).toEqual(["message 6 is missing"]);
    expect(judge([4, 5], 5, 4)).toEqual(["message 4 stands behind 5"]);
    expect(judge([4, 5, 6])).toEqual([]);
  });
});

test("a queue: residue that nobody accounts for, no consumer, two consumers", () => {
  const consumer = { name: "owner-1-1", pending: 2, ackPending: 3 };
  expect(judgeQueue("IN_0", 5, [consumer])).toEqual([]);
  expect(judgeQueue("IN_0", 0, [])).toEqual([]);
  for (const [messages, consumers] of [
    [6, [consumer]],
    [1, []],
    [10, [consumer, { ...consumer, name: "owner-2-1" }]],
  ] as const) {
    expect(judgeQueue("IN_0", messages, consumers)).toMatchObject([{ invariant: "I7 queue", where: "IN_0" }]);
  }
});

test("marks end at the last number", () => {
  const marks = [
    { userId: "alice", read: 5, delivered: 5 },
    { userId: "bob", read: 0, delivered: 6 },
  ];
  expect(judgeMarks(conversationId, 6, marks)).toEqual([]);
  expect(whats(judgeMarks(conversationId, 5, marks))).toEqual(["bob has delivered 6, read 0; the last message is 5"]);
});
