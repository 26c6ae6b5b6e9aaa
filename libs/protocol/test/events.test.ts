import fc from "fast-check";
import {
  Command,
  decodeEvent,
  type Event,
  encodeDeliver,
  encodeDeliverFrame,
  encodeEvent,
  encodeFrame,
  encodePayload,
  encodePulledFrame,
  encodeSentFrame,
  FrameDecoder,
  fitsEvents,
  fitsSizes,
  parseServerMessage,
  peekEvent,
  type SentPayload,
} from "../src/index";
import { fitting } from "./arbitraries";
import { schemas } from "./golden";

const events = fitting(schemas.definitions["event"] as object) as fc.Arbitrary<Event>;

const sample: Event = {
  conversationId: "p:alice:bob",
  seq: 7,
  senderId: "alice",
  kind: "message",
  messageId: "1",
  clientMsgId: "01932c07-9d80-7000-8000-00000000002a",
  contentType: "text",
  sentAt: 1_731_600_000_123,
  content: "hello",
};

/** The keys of an event in the order in which they are written. */
function inOrder(event: Event): Event {
  const { conversationId, seq, senderId, kind, ...behind } = event;
  const { messageId, clientMsgId, contentType, sentAt, content, targetSeq, cleared } = behind;
  const written = { messageId, clientMsgId, contentType, sentAt, content, targetSeq, cleared };
  return { conversationId, seq, senderId, kind, ...written };
}

describe("event bytes", () => {
  test("are those of the generic encoder, and are read back whole and by head", () => {
    fc.assert(
      fc.property(events, (event) => {
        const bytes = encodeEvent(event);
        expect(bytes).toEqual(encodePayload(inOrder(event)));
        expect(decodeEvent(bytes)).toEqual(event);
        const { conversationId, seq, senderId, kind } = event;
        expect(peekEvent(bytes)).toEqual({ conversationId, seq, senderId, kind });
      }),
      { numRuns: 500 },
    );
  });

  test("results do not share memory", () => {
    const first = encodeEvent(sample);
    const copy = first.slice();
    encodeEvent({ ...sample, content: "other" });
    expect(first).toEqual(copy);
  });

  test("the longest content goes through", () => {
    const event = { ...sample, content: "鐘".repeat(5461) };
    expect(decodeEvent(encodeEvent(event))).toEqual(event);
  });

  test("values without a wire form are not written", () => {
    expect(() => encodeEvent({ ...sample, content: "\ud800" })).toThrow(RangeError);
    expect(() => encodeEvent({ ...sample, seq: 1.5 })).toThrow(RangeError);
    expect(() => encodeEvent({ ...sample, seq: -1 })).toThrow(RangeError);
    expect(() => encodeEvent({ ...sample, seq: 2 ** 53 })).toThrow(RangeError);
  });

  test("peekEvent refuses every cut of the head and bytes in another order", () => {
    const bytes = encodeEvent(sample);
    const headEnd = Buffer.from(bytes).indexOf("messageId") - 1;
    for (let end = 0; end < headEnd; end++) expect(() => peekEvent(bytes.subarray(0, end))).toThrow("encodeEvent");
    expect(peekEvent(bytes.subarray(0, headEnd)).seq).toBe(7);
    const { seq, ...rest } = sample;
    expect(() => peekEvent(encodePayload({ seq, ...rest }))).toThrow("encodeEvent");
    expect(() => peekEvent(encodePayload({}))).toThrow("encodeEvent");
    expect(() => peekEvent(encodePayload({ ...sample, kind: "party" }))).toThrow("encodeEvent");
    expect(() => peekEvent(encodePayload({ ...sample, seq: -1 }))).toThrow("encodeEvent");
  });

  test("decodeEvent refuses every cut, bytes behind the end, and another order", () => {
    const bytes = encodeEvent({ ...sample, content: "x".repeat(300), targetSeq: 300 });
    for (let end = 0; end < bytes.length; end++)
      expect(() => decodeEvent(bytes.subarray(0, end))).toThrow("encodeEvent");
    expect(() => decodeEvent(Buffer.concat([bytes, Buffer.from([0])]))).toThrow("encodeEvent");
    const { seq, ...rest } = sample;
    expect(() => decodeEvent(encodePayload({ ...rest, seq }))).toThrow("encodeEvent");
    expect(() => decodeEvent(encodePayload(rest))).toThrow("encodeEvent");
  });
});

describe("SENT", () => {
  test("is that of the generic encoder", () => {
    const payloads = fitting(
      schemas.commands.find(({ name }) => name === "SENT")!.fromServer!,
    ) as fc.Arbitrary<SentPayload>;
    fc.assert(
      fc.property(payloads, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (payload, requestId) => {
        const { clientMsgId, conversationId, seq, messageId, sentAt, duplicate } = payload;
        const ordered = { clientMsgId, conversationId, seq, messageId, sentAt, duplicate };
        expect(encodeSentFrame(requestId, payload)).toEqual(encodeFrame(Command.SENT, requestId, ordered));
      }),
    );
  });
});

describe("frames with events spliced in", () => {
  const batches = fc.array(fc.record({ inboxSeq: fc.integer({ min: 1, max: 2 ** 40 }), event: events }), {
    maxLength: 20,
  });

  test("are those of the generic encoder", () => {
    fc.assert(
      fc.property(batches, fc.nat(0xffffffff), (batch, requestId) => {
        const entries = batch.map(({ inboxSeq, event }) => ({ inboxSeq, event: encodeEvent(event) }));
        if (fitsEvents(entries) < entries.length) return;
        const deliver = { epoch: "e1", events: batch.map(({ inboxSeq, event }) => [inboxSeq, inOrder(event)]) };
        expect(encodeDeliver("e1", entries)).toEqual(encodePayload(deliver));
        expect(encodeDeliverFrame("e1", entries)).toEqual(encodeFrame(12, 0, deliver));
        const pulled = {
          conversationId: "g:team",
          events: batch.map(({ event }) => inOrder(event)),
          lastSeq: 9,
          more: true,
        };
        const asBytes = { ...pulled, events: entries.map(({ event }) => event) };
        expect(encodePulledFrame(requestId, asBytes)).toEqual(encodeFrame(16, requestId, pulled));
      }),
      { numRuns: 100 },
    );
  });

  test("64 entries fit, 65 do not", () => {
    const entries = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ inboxSeq: index + 1, event: encodeEvent(sample) }));
    const [frame] = new FrameDecoder().push(encodeDeliverFrame("e1", entries(64)));
    const message = parseServerMessage(12, frame?.payload as Uint8Array);
    expect("payload" in message && message.command === 12 && message.payload.events).toHaveLength(64);
    expect(() => encodeDeliver("e1", entries(65))).toThrow(RangeError);
    expect(() =>
      encodePulledFrame(1, {
        conversationId: "g:a",
        events: entries(65).map(({ event }) => event),
        lastSeq: 1,
        more: false,
      }),
    ).toThrow(RangeError);
  });

  test("bytes beyond the largest frame are refused", () => {
    const large = encodeEvent({ ...sample, content: "x".repeat(16_384) });
    const entries = Array.from({ length: 4 }, (_, index) => ({ inboxSeq: index + 1, event: large }));
    expect(() => encodeDeliverFrame("e1", entries)).toThrow(RangeError);
  });
});

describe("cutting a batch", () => {
  test("takes at most 64 events, at most 60 KiB, and always one", () => {
    const small = { inboxSeq: 1, event: new Uint8Array(10) };
    const large = { inboxSeq: 1, event: new Uint8Array(16_500) };
    expect(fitsEvents([])).toBe(0);
    expect(fitsEvents(new Array(100).fill(small))).toBe(64);
    expect(fitsEvents(new Array(100).fill(large))).toBe(3);
    expect(fitsEvents([small, large, large, large, large])).toBe(4);
    expect(fitsEvents([large, large], 100)).toBe(1);
    expect(fitsSizes([61_440, 1])).toBe(1);
    expect(fitsSizes([61_439, 1, 1])).toBe(2);
  });

  test("a cut batch always fits into a frame, whatever the sizes", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 16_384 }), { minLength: 1, maxLength: 100 }), (lengths) => {
        const entries = lengths.map((length) => ({
          inboxSeq: Number.MAX_SAFE_INTEGER,
          event: encodeEvent({ ...sample, content: "x".repeat(length) }),
        }));
        const taken = entries.slice(0, fitsEvents(entries));
        expect(taken.length).toBeGreaterThan(0);
        expect(encodeDeliverFrame("e".repeat(128), taken).length).toBeLessThanOrEqual(65_548);
      }),
      { numRuns: 30 },
    );
  });
});
