/** What another device has cleared while this one was away: neither the view shows it nor is the app told. */
import { type ClientMessage, Command, type Event } from "@carillon/protocol";
import { BaseClient } from "../src/client";
import { viewOf } from "../src/view-of";
import { connected } from "./fixtures/connected";
import { InProcessGateway } from "./fixtures/in-process-gateway";

const CHAT = "p:alice:bob";
const event = (seq: number): Event => ({
  ...{ conversationId: CHAT, seq, senderId: "bob", kind: "message", messageId: `${seq}`, clientMsgId: `c-${seq}` },
  ...{ contentType: "text", sentAt: 1, content: `${seq}` },
});

/** Replays three events, of which two were cleared; SYNC is answered when the test says so. */
class FakeGateway extends InProcessGateway {
  readonly received: number[] = [];
  answerSync: () => void = () => {};

  protected hear({ command, payload }: ClientMessage, requestId: number): void {
    if (command === Command.CONNECT) {
      this.say(Command.CONNECTED, { ...connected("g"), inbox: { epoch: "e", seq: 3 }, resume: "replay" }, requestId);
      this.say(Command.DELIVER, { epoch: "e", events: [1, 2, 3].map((seq) => [seq, event(seq)]) });
    }
    if (command === Command.RECEIVED) this.received.push(payload.inboxSeq);
    if (command === Command.SYNC) this.answerSync = () => this.say(Command.SYNCED, synced, requestId);
  }
}

const synced = {
  ...{ inbox: { epoch: "e", seq: 3 }, versions: { relations: 0, groups: 0 }, syncedAt: 1 },
  ...{ relations: [], groups: [], more: false, counts: { relations: 0, groups: 0, conversations: 1 } },
  conversations: [
    {
      ...{ conversationId: CHAT, kind: "private", lastSeq: 3, lastAt: 1, readSeq: 0, clearedSeq: 2, unread: 1 },
      ...{ pinned: false, muted: false },
    },
  ],
};

let client: BaseClient<"fake">;
let gateway: FakeGateway;
let told: number[];

beforeEach(() => {
  jest.useFakeTimers();
  jest
    .spyOn(globalThis, "fetch")
    .mockImplementation(async () => Response.json({ gateways: [{ gatewayId: "g", ws: "ws://g", tcp: "g:1" }] }));
  gateway = new FakeGateway();
  const options = { api: "http://api", deviceId: "phone", platform: "ios", token: "t" } as const;
  client = new BaseClient(options, { fake: { open: async () => gateway } });
  told = [];
  client.on("message", ({ seq }) => void told.push(seq));
});

afterEach(async () => {
  const closed = client.close();
  await jest.advanceTimersByTimeAsync(5_000);
  await closed;
  jest.restoreAllMocks();
  jest.useRealTimers();
});

async function online(): Promise<void> {
  client.connect().catch(() => {});
  while (client.state.name !== "online") await jest.advanceTimersByTimeAsync(10);
  await jest.advanceTimersByTimeAsync(100);
}

test("a replay waits for what SYNC tells; what was cleared is acknowledged and shown nowhere", async () => {
  const view = viewOf(client);
  await online();
  expect(told).toEqual([]);
  gateway.answerSync();
  await jest.advanceTimersByTimeAsync(1_000);
  expect([told, view.messages(CHAT).items.map(({ seq }) => seq), gateway.received.at(-1)]).toEqual([[3], [3], 3]);
});

test("a SYNC that does not come holds it up for some seconds only", async () => {
  viewOf(client);
  await online();
  await jest.advanceTimersByTimeAsync(4_000);
  expect(told).toEqual([]);
  await jest.advanceTimersByTimeAsync(2_000);
  expect(told).toEqual([1, 2, 3]);
});

test("who keeps no view is told all of it at once", async () => {
  await online();
  expect(told).toEqual([1, 2, 3]);
});
