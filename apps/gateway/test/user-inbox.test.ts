import type { InboxPage } from "@carillon/bus";
import { Command, decodePayload, encodeEvent, FrameDecoder } from "@carillon/protocol";
import { until } from "@carillon/testkit";
import fc from "fast-check";
import type { ClientConnection } from "../src/accept/client-connection";
import { UserInbox } from "../src/inbox/user-inbox";
import { GatewayMetrics } from "../src/metrics";
import { DeliveryCursor, MOST_UNACKNOWLEDGED } from "../src/session/delivery-cursor";
import { Session, sessionLimits } from "../src/session/session";

const eventOf = (seq: number) =>
  encodeEvent({
    conversationId: "p:alice:bob",
    seq,
    senderId: "bob",
    kind: "message",
    messageId: `${seq}`,
    clientMsgId: `${seq}`,
    contentType: "text",
    sentAt: 1,
    content: `message ${seq}`,
  });

/** A simulated inbox in Redis, and the gateway's view that reads it. */
class Store {
  epoch = "e1";
  head = 0;
  first = 1;
  reads = 0;
  newEpochs = 0;

  readonly inbox = new UserInbox({
    userId: "alice",
    resend: { sent: () => {} },
    renewal: { request: () => void this.newEpochs++ },
    metrics: new GatewayMetrics("gateway-1"),
    readInbox: async (_user, _epoch, after): Promise<InboxPage> => {
      this.reads++;
      return this.page(after);
    },
  });

  page(after: number): InboxPage {
    const events: [number, Uint8Array][] = [];
    for (let seq = Math.max(after + 1, this.first); seq <= this.head && events.length < 64; seq++) {
      events.push([seq, eventOf(seq)]);
    }
    return { epoch: this.epoch, seq: this.head, events };
  }

  /** Adds an event to the inbox. @param push whether its push reaches the gateway now */
  add(push = true): number {
    this.head++;
    if (push) this.push(this.head);
    return this.head;
  }

  push(seq: number): void {
    this.inbox.push(this.epoch, seq, eventOf(seq));
  }
}

/** A device that records the events that it gets. */
class Device {
  readonly got: [string, number][] = [];
  queuedBytes = 0;
  closedWith: number | undefined;
  readonly session: Session;

  constructor(
    readonly store: Store,
    from: number,
    first?: InboxPage,
  ) {
    const connection: ClientConnection = {
      ...{ transport: "ws", remote: "test" },
      receivedBytes: 0,
      attach: () => {},
      close: (code) => {
        this.closedWith = code;
      },
      send: (bytes) => this.receive(bytes),
      queuedBytes: 0,
    };
    Object.defineProperty(connection, "queuedBytes", { get: () => this.queuedBytes });
    const limits = sessionLimits({ framesPerSecond: 1, framesBurst: 1 }, 0);
    this.session = new Session(1, connection, limits, 0, () => {});
    const identity = { userId: "alice", deviceId: "d", platform: "web", tokenVersion: 1 };
    this.session.state = { phase: "open", identity, tokenExpiresAt: 0 };
    this.session.delivery = new DeliveryCursor(store.epoch, from);
    store.inbox.expect(store.epoch, store.head);
    store.inbox.join(this.session, first);
  }

  get numbers(): number[] {
    return this.got.map(([, seq]) => seq);
  }

  acknowledge(seq: number): void {
    this.session.delivery!.received(seq);
    this.store.inbox.serve(this.session);
  }

  private receive(bytes: Uint8Array): void {
    for (const frame of new FrameDecoder().push(bytes)) {
      if (frame.command !== Command.DELIVER) continue;
      const { epoch, events } = decodePayload(frame.payload) as { epoch: string; events: [number, { seq: number }][] };
      if (events.length === 0) this.got.push([epoch, 0]);
      for (const [seq, event] of events) {
        this.got.push([epoch, seq]);
        if (epoch === "e1") expect(event.seq).toBe(seq);
      }
    }
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("user inbox", () => {
  test("pushes that overtake each other are delivered in order", async () => {
    // On a slow machine, the time to wait for missing pushes must not run out.
    jest.useFakeTimers();
    const store = new Store();
    const device = new Device(store, 0);
    for (let i = 0; i < 4; i++) store.add(false);
    for (const seq of [3, 1, 4, 2]) store.push(seq);
    await jest.advanceTimersByTimeAsync(1);
    jest.useRealTimers();
    expect(device.numbers).toEqual([1, 2, 3, 4]);
    expect(store.reads).toBe(0);
  });

  test("a lost push is read from the inbox", async () => {
    const store = new Store();
    const device = new Device(store, 0);
    store.add();
    store.add(false);
    store.add();
    await until("the events", () => device.got.length === 3);
    expect(device.numbers).toEqual([1, 2, 3]);
  });

  test("a lost last push is found by the head", async () => {
    const store = new Store();
    const device = new Device(store, 0);
    store.add(false);
    store.inbox.expectIfOpen(store.epoch, store.head);
    await until("the events", () => device.got.length === 1);
  });

  test("a device that connects again gets the events that it missed, then live events, while other devices continue", async () => {
    const store = new Store();
    const first = new Device(store, 0);
    for (let i = 0; i < 200; i++) store.add();
    await until("the events", () => first.got.length === 200);
    const second = new Device(store, 30);
    store.add();
    await until("the events", () => second.got.length === 171 && first.got.length === 201);
    expect(second.numbers).toEqual(range(31, 201));
    expect(first.numbers).toEqual(range(1, 201));
  });

  test("events that came with the answer to CONNECT are not read again, and the rest is read", async () => {
    const store = new Store();
    for (let i = 0; i < 100; i++) store.add(false);
    const short = new Device(store, 80, store.page(80));
    await until("the events", () => short.got.length === 20);
    expect([store.reads, short.numbers]).toEqual([0, range(81, 100)]);
    const long = new Device(store, 0, store.page(0));
    await until("the events", () => long.got.length === 100);
    expect([store.reads, long.numbers]).toEqual([1, range(1, 100)]);
    // A page of a former epoch is not used.
    const old = { ...store.page(90), epoch: "e0" };
    store.epoch = "e2";
    const late = new Device(store, 90, old);
    await until("the new epoch", () => late.got.length > 0);
    expect(late.got[0]![0]).not.toBe("e0");
  });

  test("a device that does not acknowledge is sent its window only, and more when it acknowledges", async () => {
    const store = new Store();
    const device = new Device(store, 0);
    for (let i = 0; i < MOST_UNACKNOWLEDGED + 100; i++) store.add();
    await until("the events", () => device.got.length === MOST_UNACKNOWLEDGED);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(device.got.length).toBe(MOST_UNACKNOWLEDGED);
    device.acknowledge(MOST_UNACKNOWLEDGED);
    await until("the events", () => device.got.length === MOST_UNACKNOWLEDGED + 100);
    expect(device.numbers).toEqual(range(1, MOST_UNACKNOWLEDGED + 100));
  });

  test("a full socket stops the stream of its device only", async () => {
    const store = new Store();
    const [slow, quick] = [new Device(store, 0), new Device(store, 0)];
    slow.queuedBytes = 10_000_000;
    for (let i = 0; i < 10; i++) store.add();
    await until("the events", () => quick.got.length === 10);
    expect(slow.got).toEqual([]);
    slow.queuedBytes = 0;
    store.inbox.serve(slow.session);
    await until("the events", () => slow.got.length === 10);
    expect(slow.numbers).toEqual(range(1, 10));
  });

  test("an empty DELIVER tells a new epoch, and its events follow from 1", async () => {
    const store = new Store();
    const device = new Device(store, 0);
    store.add();
    await until("the events", () => device.got.length === 1);
    store.epoch = "e2";
    store.head = 0;
    store.add(false);
    store.add();
    await until("the events", () => device.got.length === 4);
    expect(device.got).toEqual([
      ["e1", 1],
      ["e2", 0],
      ["e2", 1],
      ["e2", 2],
    ]);
  });

  test("a device whose next event was trimmed is closed, so that it connects again and resyncs", async () => {
    const store = new Store();
    store.head = 50;
    store.first = 20;
    const device = new Device(store, 5);
    await until("the close", () => device.closedWith !== undefined);
    expect(device.got).toEqual([]);
  });

  test("any order of pushes, with any of them lost or repeated: every device gets each number once, in order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ lost: fc.boolean(), twice: fc.boolean(), swap: fc.nat(5) }), {
          minLength: 1,
          maxLength: 40,
        }),
        async (plan) => {
          const store = new Store();
          const device = new Device(store, 0);
          const order = plan.map((_, i) => i + 1);
          plan.forEach(({ swap }, i) => {
            const j = Math.min(order.length - 1, i + swap);
            [order[i], order[j]] = [order[j]!, order[i]!];
          });
          store.head = plan.length;
          for (const seq of order) {
            const { lost, twice } = plan[seq - 1]!;
            if (!lost) store.push(seq);
            if (twice && !lost) store.push(seq);
          }
          store.inbox.expectIfOpen(store.epoch, store.head);
          await until("the events", () => device.got.length >= plan.length);
          expect(device.numbers).toEqual(range(1, plan.length));
        },
      ),
      { numRuns: 50 },
    );
  });
});
