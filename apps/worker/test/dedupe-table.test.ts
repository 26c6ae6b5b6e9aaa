import { uuidv7 } from "@carillon/base";
import type { AcceptedRequest } from "../src/decide/accepted-log";
import { DedupeTable } from "../src/decide/dedupe-table";

const NOW = 1_700_000_000_000;

const people = Array.from({ length: 40 }, (_, i) => `user-${i}`);

function message(i: number, clientMsgId = uuidv7(NOW)): AcceptedRequest {
  const senderId = people[i % people.length]!;
  return {
    senderId,
    conversationId: `p:${senderId}:zoe`,
    clientMsgId,
    digest: String(i).padStart(16, "d"),
    seq: i,
    messageId: String(10n ** 18n + BigInt(i)),
    sentAt: NOW + i,
  };
}

const found = (table: DedupeTable, { senderId, conversationId, clientMsgId }: AcceptedRequest) =>
  table.find(senderId, conversationId, clientMsgId);

const firstOf = ({ digest, seq, messageId, sentAt }: AcceptedRequest) => ({ digest, seq, messageId, sentAt });

test("whatever was added is found as it was, until it is dropped; through growth, wrapping and shrinking", () => {
  const table = new DedupeTable(NOW);
  const all: AcceptedRequest[] = [];
  let dropped = 0;
  const add = (count: number) => {
    for (let i = 0; i < count; i++) {
      all.push(message(all.length));
      table.add(all.at(-1)!, { position: all.length, storedAt: NOW + all.length });
    }
  };
  const drop = (count: number) => {
    dropped += count;
    table.prune(NOW + dropped + 1, Number.POSITIVE_INFINITY);
  };
  const check = () => {
    expect(table.size).toBe(all.length - dropped);
    for (const [i, one] of all.entries()) {
      const expected = i < dropped ? undefined : firstOf(one);
      if (JSON.stringify(found(table, one)) !== JSON.stringify(expected)) expect(found(table, one)).toEqual(expected);
    }
  };
  for (const [added, gone] of [
    [1_000, 700],
    [1_000, 300],
    [9_000, 100],
    [500, 10_300],
    [20, 0],
    [3_000, 3_000],
  ] as const) {
    add(added);
    check();
    drop(gone);
    check();
  }
  drop(all.length - dropped);
  check();
  expect(table.floor).toBe(NOW + all.length + 1);
});

test("the same id of two senders, and in two conversations, is not the same message", () => {
  const table = new DedupeTable(NOW);
  const one = message(1);
  const other = message(2, one.clientMsgId);
  const elsewhere = { ...message(1, one.clientMsgId), conversationId: "g:choir", seq: 9 };
  for (const each of [one, other, elsewhere]) table.add(each, { position: 1, storedAt: NOW });
  for (const each of [one, other, elsewhere]) expect(found(table, each)).toEqual(firstOf(each));
  expect(found(table, message(3, one.clientMsgId))).toBeUndefined();
  expect(found(table, message(1, uuidv7(NOW)))).toBeUndefined();
});

test("ids that differ in one digit are not the same", () => {
  const table = new DedupeTable(NOW);
  const id = "01932c07-0a1b-7c2d-8e3f-0123456789ab";
  table.add(message(1, id), { position: 1, storedAt: NOW });
  for (const [at, digit] of [...id].entries()) {
    if (digit === "-") continue;
    const other = id.slice(0, at) + (digit === "0" ? "1" : "0") + id.slice(at + 1);
    expect(found(table, message(1, other))).toBeUndefined();
  }
  expect(found(table, message(1, id))).toEqual(firstOf(message(1)));
});

test("what is not archived stays, however old", () => {
  const table = new DedupeTable(NOW);
  const [one, two] = [message(1), message(2)];
  table.add(one, { position: 10, storedAt: NOW });
  table.add(two, { position: 20, storedAt: NOW + 1 });
  table.prune(NOW + 1_000, 15);
  expect(found(table, one)).toBeUndefined();
  expect(found(table, two)).toEqual(firstOf(two));
});
