import { Command, decodePayload, type Event, encodePayload, readServerMessage } from "../src/index";

const event = (seq: number, more: object = {}): Event => ({
  ...{ conversationId: "p:a:b", seq, senderId: "a", kind: "message", messageId: "1", clientMsgId: "c" },
  ...{ contentType: "text", sentAt: 1, content: `${seq}` },
  ...(more as object),
});
const tooLong = { content: "x".repeat(16_385) };

/** Checks a payload as an object and in its wire form. */
function read(command: number, payload: object) {
  const message = readServerMessage(command, encodePayload(payload));
  expect(readServerMessage(command, decodePayload(encodePayload(payload)))).toEqual(message);
  return message as { command: number; payload: Record<string, unknown> };
}

test("the one unreadable event of DELIVER is left out, with its numbers", () => {
  const events = [[7, event(1)], [8, event(2, tooLong)], ["nine", event(3)], [10, "no event"], [11, event(5)], 7];
  expect(read(Command.DELIVER, { epoch: "e", events }).payload).toEqual({
    epoch: "e",
    events: [
      [7, event(1)],
      [11, event(5)],
    ],
    unreadable: [
      { list: "events", id: "p:a:b", seq: 2, inboxSeq: 8, why: "content: must be text 1 16384" },
      { list: "events", id: "p:a:b", seq: 3, inboxSeq: 9, why: "is no pair of number and event" },
      { list: "events", inboxSeq: 10, why: "must be a map" },
      { list: "events", inboxSeq: 12, why: "is no pair of number and event" },
    ],
  });
});

test("unreadable entries of PULLED, SYNCED and PRESENCE are left out", () => {
  const page = { conversationId: "p:a:b", lastSeq: 9, more: false };
  const { payload } = read(Command.PULLED, { ...page, events: [event(1), event(2, tooLong)] });
  expect(payload).toMatchObject({ events: [event(1)], unreadable: [{ id: "p:a:b", seq: 2 }] });
  const group = { groupId: "choir", name: "", ownerId: "a", joinPolicy: "open", memberCount: 1, version: 1 };
  const synced = {
    inbox: { epoch: "e", seq: 1 },
    ...{ versions: { relations: 1, groups: 1 }, syncedAt: 1, more: false, conversations: [null] },
    ...{
      relations: [{ userId: "b", state: "enemy", version: 1 }],
      counts: { relations: 0, groups: 1, conversations: 0 },
    },
    groups: [group, { ...group, groupId: "band", mutedUntil: "9000000000000000000" }],
  };
  expect(read(Command.SYNCED, synced).payload).toMatchObject({
    ...{ relations: [], conversations: [], groups: [group] },
    unreadable: [
      { list: "relations", id: "b" },
      { list: "groups", id: "band", why: "mutedUntil: must be int 0" },
      { list: "conversations", why: "must be a map" },
    ],
  });
  const user = { userId: "a", online: true, platforms: ["ios"], lastSeenAt: 1 };
  const presence = read(Command.PRESENCE, { users: [user, { ...user, platforms: ["fridge"] }] });
  expect(presence.payload).toMatchObject({ users: [user], unreadable: [{ list: "users", id: "a" }] });
});

test("a good payload stays as it is, and a payload that is broken elsewhere is refused", () => {
  expect(read(Command.DELIVER, { epoch: "e", events: [[1, event(1)]] }).payload).not.toHaveProperty("unreadable");
  for (const payload of [{ events: [[1, event(1, tooLong)]] }, { epoch: "e" }, { epoch: "e", events: [["x", 1]] }]) {
    expect(readServerMessage(Command.DELIVER, payload)).toMatchObject({ error: "BAD_PAYLOAD" });
  }
  expect(readServerMessage(Command.DELIVER, Uint8Array.of(0x81))).toMatchObject({ error: "BAD_PAYLOAD" });
  expect(readServerMessage(9_999, {})).toMatchObject({ error: "UNKNOWN_COMMAND" });
});
