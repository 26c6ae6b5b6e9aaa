import { Command, decodePayload, FrameDecoder, parseRequest } from "@carillon/protocol";
import { makeSendTemplate, SendRing, timeDigits } from "./send-ring";

const CONTENT = "0123456789".repeat(10);

function framesOf(ring: SendRing, first: number, last: number) {
  const decoder = new FrameDecoder();
  const frames = ring.frames(first, last).flatMap((bytes) => decoder.push(Buffer.from(bytes)));
  expect(decoder.fault).toBeUndefined();
  expect(decoder.heldBytes).toBe(0);
  return frames.map(({ command, requestId, payload }) => ({ command, requestId, payload: decodePayload(payload) }));
}

test("a patched frame is a SEND that the product's own checks accept, with requestId, content and a fresh UUIDv7", () => {
  const ring = new SendRing(makeSendTemplate("u:bob", 100));
  ring.add(7, CONTENT);
  const [frame] = framesOf(ring, 7, 7);
  expect(frame).toMatchObject({
    command: Command.SEND,
    requestId: 7,
    payload: { to: "u:bob", contentType: "text", content: CONTENT },
  });
  const id = String(frame!.payload["clientMsgId"]);
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{6}000007$/);
  expect(Math.abs(Number.parseInt(id.replace("-", "").slice(0, 12), 16) - Date.now())).toBeLessThan(10_000);
  const decoder = new FrameDecoder();
  const [raw] = decoder.push(Buffer.from(ring.frames(7, 7)[0]!));
  expect(() => parseRequest(Command.SEND, raw!.payload)).not.toThrow();
});

test("frames of one turn come out in order, also over the end of the ring, and ids differ", () => {
  const ring = new SendRing(makeSendTemplate("u:bob", 100));
  for (let requestId = 2; requestId <= 8; requestId++) {
    ring.add(requestId, CONTENT);
    expect(ring.settle(requestId)).toBe(true);
  }
  for (let requestId = 9; requestId <= 13; requestId++) ring.add(requestId, CONTENT);
  expect(ring.frames(14 - 5, 13).length).toBe(1);
  for (let requestId = 14; requestId <= 16; requestId++) ring.add(requestId, CONTENT);
  const frames = framesOf(ring, 9, 16);
  expect(frames.map(({ requestId }) => requestId)).toEqual([9, 10, 11, 12, 13, 14, 15, 16]);
  expect(new Set(frames.map(({ payload }) => payload["clientMsgId"])).size).toBe(8);
});

test("an unanswered message keeps its bytes while the ring grows, and can be sent again as it was", () => {
  const ring = new SendRing(makeSendTemplate("u:bob", 100));
  ring.add(3, CONTENT);
  const [before] = framesOf(ring, 3, 3);
  for (let requestId = 4; requestId <= 200; requestId++) {
    ring.add(requestId, "y".repeat(100));
    if (requestId > 20) ring.settle(requestId);
  }
  expect(framesOf(ring, 3, 3)).toEqual([before]);
  expect(ring.isUnderWay(3)).toBe(true);
});

test("only what is under way can be settled, and once", () => {
  const ring = new SendRing(makeSendTemplate("u:bob", 100));
  ring.add(2, CONTENT);
  expect(ring.settle(3)).toBe(false);
  expect(ring.settle(0)).toBe(false);
  expect(ring.settle(2)).toBe(true);
  expect(ring.settle(2)).toBe(false);
});

test("the time stands in the first twelve digits", () => {
  expect(timeDigits(0x0123456789ab).toString()).toBe("01234567-89ab");
  expect(timeDigits(1).toString()).toBe("00000000-0001");
});
