import { decodeLogBody, decodeRequestBatch, encodeLogBody, encodeRequestBatch, type LogBody } from "../src/index";

/** A decoder that takes the mark for a hint about the encoding would leave it out. */
const marked = `\uFEFF${"long ".repeat(100)}`;

test("the content of a request is in the queue as it was sent, a byte order mark included", () => {
  const request = {
    ...{ connection: 7, requestId: 8, senderId: "alice", clientMsgId: "01932c07-9d80-7000-8000-00000000002a" },
    ...{ conversationId: "p:alice:bob", contentType: "text", content: marked, targetSeq: undefined },
  };
  const bytes = encodeRequestBatch({ replyTo: "g1", boot: "b1", requests: [request as never] });
  expect(decodeRequestBatch(bytes)).toEqual([{ replyTo: "g1", boot: "b1", replayedAt: undefined, ...request }]);
});

test("a RECALL says whose it is: the sender's, or the operators'", () => {
  const recall = {
    ...{ connection: 7, requestId: 8, senderId: "alice", clientMsgId: "01932c07-9d80-7000-8000-00000000002a" },
    ...{ conversationId: "g:choir", contentType: "system", content: "", targetSeq: 5 },
  };
  const requests = [recall, { ...recall, byOperator: true }, { ...recall, targetSeq: 6 }];
  const decoded = decodeRequestBatch(encodeRequestBatch({ replyTo: "g1", boot: "b1", requests }));
  expect(decoded.map(({ targetSeq, byOperator }) => [targetSeq, byOperator])).toEqual([
    [5, undefined],
    [5, true],
    [6, undefined],
  ]);
});

test("a batch that is cut short cannot be read", () => {
  const bytes = encodeRequestBatch({ replyTo: "g1", boot: "b1", requests: [] });
  expect(() => decodeRequestBatch(bytes.subarray(0, bytes.length - 1))).toThrow();
});

test("a record of the log comes out as it went in", () => {
  const bodies: LogBody[] = [
    {
      kind: "epoch",
      ...{ worker: "w1", boot: "b1", attempt: 2 },
      dead: [{ seq: 3, index: 1, senderId: "alice", clientMsgId: marked }],
    },
    { kind: "trying", seq: 2 ** 40, index: 5 },
    { kind: "release", worker: "w1" },
  ];
  for (const body of bodies) expect(decodeLogBody(encodeLogBody(body))).toEqual(body);
});
