import { TimerWheel } from "@carillon/base";
import { GatewayMetrics } from "../src/metrics";
import { Resend } from "../src/recovery/devices";
import { DeliveryCursor, MOST_UNACKNOWLEDGED } from "../src/session/delivery-cursor";
import type { Session } from "../src/session/session";

const head = { conversationId: "p:alice:bob", seq: 1, senderId: "bob", kind: "message" as const };

describe("a delivery cursor", () => {
  test("takes RECEIVED up to the last event that was sent, and gives each event once", () => {
    const cursor = new DeliveryCursor("e1", 10);
    for (const seq of [11, 12, 13]) cursor.sent(seq, { ...head, seq });
    expect(cursor.received(14)).toBeUndefined();
    expect(cursor.received(12)!.map(({ seq }) => seq)).toEqual([11, 12]);
    expect(cursor.received(11)).toEqual([]);
    expect([cursor.acked, cursor.unacknowledgedCount, cursor.room]).toEqual([12, 1, MOST_UNACKNOWLEDGED - 1]);
  });

  test("sends unacknowledged events again after a rewind, and counts them once", () => {
    const cursor = new DeliveryCursor("e1", 0);
    for (let seq = 1; seq <= MOST_UNACKNOWLEDGED; seq++) cursor.sent(seq, { ...head, seq });
    cursor.received(2);
    cursor.rewind();
    expect([cursor.sentSeq, cursor.mode, cursor.room]).toEqual([2, "behind", MOST_UNACKNOWLEDGED]);
    cursor.sent(3, { ...head, seq: 3 });
    // Events that were sent before the rewind may be acknowledged at any time.
    expect(cursor.received(5)!.map(({ seq }) => seq)).toEqual([3, 4, 5]);
    expect([cursor.sentSeq, cursor.unacknowledgedCount]).toEqual([5, 0]);
  });
});

describe("sending again", () => {
  function setUp() {
    const done: string[] = [];
    let now = 0;
    const wheel = new TimerWheel(100, 512, () => now);
    const resend = new Resend({
      wheel,
      users: { serve: () => void done.push(`served at ${now}`) },
      metrics: new GatewayMetrics("gateway-1"),
    });
    const kick = () => void done.push(`given up at ${now}`);
    const session = { delivery: new DeliveryCursor("e1", 0), kick } as unknown as Session;
    const send = (seq: number) => {
      session.delivery!.sent(seq, { ...head, seq });
      resend.sent(session);
    };
    const pass = (ms: number) => {
      for (let passed = 0; passed < ms; passed += 100) {
        now += 100;
        wheel.advance();
      }
    };
    return { done, resend, session, send, pass };
  }

  test("happens after 5 and 15 s, and after 35 s the connection is closed", () => {
    const { done, send, pass } = setUp();
    send(1);
    pass(60_000);
    expect(done).toEqual(["served at 5000", "served at 15000", "given up at 35000"]);
  });

  test("starts its time again with each RECEIVED, and ends when nothing is unacknowledged", () => {
    const { done, resend, session, send, pass } = setUp();
    send(1);
    send(2);
    pass(4_000);
    session.delivery!.received(1);
    resend.progressed(session);
    pass(4_000);
    expect(done).toEqual([]);
    session.delivery!.received(2);
    resend.progressed(session);
    pass(60_000);
    expect(done).toEqual([]);
  });

  test("does not happen for a session that is closed", () => {
    const { done, resend, session, send, pass } = setUp();
    send(1);
    resend.end(session);
    pass(60_000);
    expect(done).toEqual([]);
  });
});
