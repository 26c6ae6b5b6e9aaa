import { Command, encodeDeliverFrame, encodeEvent, encodeFrame } from "@carillon/protocol";
import { type DeliverTaker, DeliverWalk, FrameCutter } from "../src/clients/frame-walk";

const event = (seq: number, senderId: string, content: string) =>
  encodeEvent({
    ...{ conversationId: "p:alice:bob", seq, senderId, kind: "message", messageId: "1234567890123456789" },
    ...{ clientMsgId: "01932c07-0000-7000-8000-000000000000", contentType: "text", sentAt: 1_800_000_000_000, content },
  });

/** Returns the calls that a walk over the payload of a frame makes. */
function walkOver(frame: Uint8Array, ownId = "alice") {
  const told: unknown[] = [];
  const taker: DeliverTaker = {
    onEpoch: (epoch) => told.push(epoch),
    onEvent: (...event) => told.push(event),
  };
  const bytes = Buffer.from(frame);
  new DeliverWalk().read(bytes, 12, bytes.length, Buffer.from(ownId), taker);
  return told;
}

test("a walk over a DELIVER reports event by event, and skips the content of own messages", () => {
  const long = "z".repeat(300);
  const frame = encodeDeliverFrame("epoch-1", [
    { inboxSeq: 5, event: event(1, "bob", "hello") },
    { inboxSeq: 70_000, event: event(300, "alice", "own") },
    { inboxSeq: 2 ** 40, event: event(70_000, "bob", long) },
  ]);
  expect(walkOver(frame)).toEqual([
    "epoch-1",
    [5, 1, false, "hello"],
    [70_000, 300, true, ""],
    [2 ** 40, 70_000, false, long],
  ]);
});

test("a DELIVER may have sixty-four events, or none", () => {
  const entries = Array.from({ length: 64 }, (_, i) => ({ inboxSeq: i + 1, event: event(i + 1, "bob", `${i}`) }));
  expect(walkOver(encodeDeliverFrame("e", entries))).toHaveLength(65);
  expect(walkOver(encodeDeliverFrame("e", []))).toEqual(["e"]);
});

test("an id that only begins like the own id belongs to another user", () => {
  const frame = encodeDeliverFrame("e", [{ inboxSeq: 1, event: event(1, "alice2", "hello") }]);
  expect(walkOver(frame)[1]).toEqual([1, 1, false, "hello"]);
});

test("a form that the gateway does not write is an error", () => {
  const recall = encodeEvent({
    ...{ conversationId: "p:alice:bob", seq: 2, senderId: "bob", kind: "recall", messageId: "1" },
    ...{ clientMsgId: "01932c07-0000-7000-8000-000000000000", contentType: "text", sentAt: 1, targetSeq: 1 },
  });
  expect(() => walkOver(encodeDeliverFrame("e", [{ inboxSeq: 1, event: recall }]))).toThrow();
  const frame = encodeDeliverFrame("e", [{ inboxSeq: 1, event: event(1, "bob", "hello") }]);
  for (let end = 13; end < frame.length; end++) expect(() => walkOver(frame.subarray(0, end))).toThrow();
});

test("frames come out whole wherever the stream is cut", () => {
  const frames = [
    encodeFrame(Command.PONG, 1, { serverTime: 1 }),
    encodeDeliverFrame("e", [{ inboxSeq: 1, event: event(1, "bob", "hello") }]),
    encodeFrame(Command.OK, 0xffff_fffe),
  ];
  const stream = Buffer.concat(frames);
  for (let size = 1; size <= stream.length; size++) {
    const cutter = new FrameCutter();
    const told: [number, number, string][] = [];
    const scratch = Buffer.alloc(stream.length);
    for (let at = 0; at < stream.length; at += size) {
      const length = stream.copy(scratch, 0, at, Math.min(at + size, stream.length));
      cutter.push(scratch, length, (command, requestId, bytes, from, to) => {
        told.push([command, requestId, bytes.toString("hex", from, to)]);
      });
    }
    expect(told).toEqual(
      frames.map((frame, i) => [
        [Command.PONG, Command.DELIVER, Command.OK][i],
        [1, 0, 0xffff_fffe][i],
        Buffer.from(frame).toString("hex", 12),
      ]),
    );
  }
});

test("a length that no frame has is an error", () => {
  expect(() => new FrameCutter().push(Buffer.alloc(12, 0xff), 12, () => {})).toThrow("a frame of");
});
