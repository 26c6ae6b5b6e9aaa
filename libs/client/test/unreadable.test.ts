/** Tests of unreadable events and rows: each is left out, acknowledged and reported once, and all else continues. */
import { type ClientMessage, Command, type Event, type PulledPayload } from "@carillon/protocol";
import { BaseClient } from "../src/client";
import type { UnreadableEntry } from "../src/events/events";
import { viewOf } from "../src/view-of";
import { connected } from "./fixtures/connected";
import { InProcessGateway } from "./fixtures/in-process-gateway";

const CHAT = "p:alice:bob";
const event = (seq: number, content = `${seq}`): Event => ({
  ...{ conversationId: CHAT, seq, senderId: "bob", kind: "message", messageId: `${seq}`, clientMsgId: `c-${seq}` },
  ...{ contentType: "text", sentAt: 1, content },
});
const tooLong = (seq: number) => event(seq, "x".repeat(16_385));

class FakeGateway extends InProcessGateway {
  received: number[] = [];
  pulls = 0;
  stored: Event[] = [];
  groups: object[] = [];

  protected hear(message: ClientMessage, requestId: number): void {
    switch (message.command) {
      case Command.CONNECT:
        return this.say(Command.CONNECTED, connected("g"), requestId);
      case Command.RECEIVED:
        return void this.received.push(message.payload.inboxSeq);
      case Command.PULL: {
        this.pulls++;
        const { fromSeq, toSeq = 99 } = message.payload;
        const events = this.stored.filter(({ seq }) => fromSeq <= seq && seq <= toSeq);
        const page: PulledPayload = { conversationId: CHAT, events, lastSeq: this.stored.length, more: false };
        return this.say(Command.PULLED, page, requestId);
      }
      case Command.SYNC:
        return this.say(
          Command.SYNCED,
          {
            ...{ inbox: { epoch: "e", seq: 0 }, versions: { relations: 1, groups: 1 }, syncedAt: 1 },
            ...{ relations: [], groups: this.groups, conversations: [], more: false },
            counts: { relations: 0, groups: this.groups.length, conversations: 0 },
          },
          requestId,
        );
    }
  }

  deliver(from: number, ...events: Event[]): void {
    this.say(Command.DELIVER, { epoch: "e", events: events.map((one, i) => [from + i, one]) });
  }
}

let gateway: FakeGateway;
let client: BaseClient<"fake">;
let shown: number[];
let errors: UnreadableEntry[];
let gaps: unknown[];

beforeEach(async () => {
  gateway = new FakeGateway();
  jest.spyOn(globalThis, "fetch").mockImplementation(async () => {
    return Response.json({ gateways: [{ gatewayId: "g", ws: "ws://g", tcp: "g:1" }] });
  });
  const options = { api: "http://api", deviceId: "phone", platform: "ios" as const, token: async () => "token" };
  client = new BaseClient(options, { fake: { open: async () => gateway } });
  [shown, errors, gaps] = [[], [], []];
  client.on("message", ({ seq }) => void shown.push(seq));
  client.on("error", (error) => void errors.push(error as UnreadableEntry));
  client.on("gap", (gap) => void gaps.push(gap));
  await client.connect();
});
afterEach(async () => {
  await client.close();
  jest.restoreAllMocks();
});

async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("events before and after an unreadable one are shown and acknowledged, and no device requests it", async () => {
  gateway.stored = [event(1), tooLong(2), event(3)];
  gateway.deliver(1, event(1), tooLong(2), event(3));
  await until(() => gateway.received.at(-1) === 3);
  gateway.deliver(4, event(4));
  await until(() => gateway.received.at(-1) === 4);
  expect(shown).toEqual([1, 3, 4]);
  expect(errors.map(({ name, entry }) => [name, entry.id, entry.seq])).toEqual([["UnreadableEntry", CHAT, 2]]);
  expect(gateway.pulls).toBe(0);
  expect(gaps).toEqual([]);
});

test("an unreadable event alone in its frame is acknowledged and reported once, however often it arrives", async () => {
  gateway.deliver(1, tooLong(1));
  gateway.deliver(1, tooLong(1));
  await until(() => gateway.received.at(-1) === 1);
  gateway.deliver(2, event(2));
  await until(() => shown.length === 1);
  expect(shown).toEqual([2]);
  expect(errors).toHaveLength(1);
});

test("an unreadable event in a fetched page is skipped", async () => {
  gateway.stored = [event(1), event(2), tooLong(3), tooLong(4), event(5)];
  gateway.deliver(1, event(1));
  gateway.deliver(2, event(5));
  await until(() => shown.length === 3);
  expect(shown).toEqual([1, 2, 5]);
  expect(errors.map(({ entry }) => entry.seq)).toEqual([3, 4]);
  expect(gaps).toEqual([]);
});

test("an unreadable row of SYNC does not stop the others, and causes no repeated sync of everything", async () => {
  const group = {
    groupId: "choir",
    name: "Choir",
    ownerId: "bob",
    joinPolicy: "open",
    memberCount: 2,
    version: 1,
    role: "member",
  };
  gateway.groups = [group, { ...group, groupId: "band", mutedUntil: "9000000000000000000" }];
  const view = viewOf(client);
  let syncs = 0;
  const say = gateway.say.bind(gateway);
  gateway.say = (command, payload, requestId) => {
    if (command === Command.SYNCED) syncs++;
    say(command, payload, requestId);
  };
  client.on("changed", () => {});
  gateway.say(Command.CHANGED, { what: "groups", version: 1 });
  await until(() => view.people.groups.length === 1);
  await until(() => syncs >= 2);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(view.people.groups.map(({ groupId }) => groupId)).toEqual(["choir"]);
  expect(errors.map(({ entry }) => [entry.list, entry.id])).toEqual([["groups", "band"]]);
  expect(syncs).toBeLessThan(5);
});
