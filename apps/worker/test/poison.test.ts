import { type LogBody, type OriginatedRequest, PREFETCH } from "@carillon/bus";
import { foldPoison, isDead, newPoison, type Poison, SINGLE_STEP_FROM } from "../src/partition/poison";

const request: OriginatedRequest = {
  replyTo: "g",
  boot: "b",
  connection: 1,
  requestId: 1,
  senderId: "alice",
  clientMsgId: "m-1",
  conversationId: "p:alice:bob",
  contentType: "text",
  content: "it kills",
};

/** It died at 7. */
function poisoned(): Poison {
  const poison = newPoison();
  const dead = [{ seq: 7, index: 0, senderId: "alice", clientMsgId: "m-1" }];
  foldPoison(poison, { kind: "epoch", worker: "w", boot: "b", attempt: 4, dead }, 6, 6);
  return poison;
}

const accepted = (senderId: string, clientMsgId: string): LogBody => ({
  kind: "events",
  events: [{ senderId, clientMsgId, digest: "d", origin: request, event: new Uint8Array() }],
});

test("a repeat of what died is refused wherever it comes; one that is replayed only where it died itself", () => {
  const poison = poisoned();
  expect(isDead(poison, request)).toBe(true);
  expect(isDead(poison, { ...request, clientMsgId: "m-2" })).toBe(false);
  expect(isDead(poison, { ...request, replayedAt: 12 })).toBe(false);
  const dead = [{ seq: 12, index: 0, senderId: "alice", clientMsgId: "m-1" }, ...poison.dead];
  foldPoison(poison, { kind: "epoch", worker: "w", boot: "b", attempt: 4, dead }, 6, 6);
  expect(isDead(poison, { ...request, replayedAt: 12 })).toBe(true);
  expect(isDead(poison, { ...request, replayedAt: 20 })).toBe(false);
});

test("what was accepted after all is dead no more; others stay so", () => {
  const poison = poisoned();
  foldPoison(poison, accepted("bob", "m-1"), 6, 7);
  expect(isDead(poison, request)).toBe(true);
  foldPoison(poison, accepted("alice", "m-1"), 7, 8);
  expect(poison.dead).toEqual([]);
});

/** An owner begins where the queue is covered up to `at`. */
function begin(poison: Poison, at: number, attempt = 1): Poison {
  foldPoison(poison, { kind: "epoch", worker: "w", boot: "b", attempt, dead: [] }, at, at);
  return poison;
}

const release: LogBody = { kind: "release", worker: "w" };

test("rounds are narrow for as many batches as can wait when the owner before died early", () => {
  const poison = begin(newPoison(), 100);
  expect(poison.singleBatchUntil).toBe(0);
  begin(poison, 100 + PREFETCH - 1);
  expect(poison.singleBatchUntil).toBe(100 + 2 * PREFETCH - 1);
  begin(poison, 100 + 3 * PREFETCH);
  expect(poison.singleBatchUntil).toBe(0);
});

test("an owner who has given the partition back did not die", () => {
  const poison = begin(newPoison(), 100);
  foldPoison(poison, release, 100, 101);
  begin(poison, 101);
  expect(poison.singleBatchUntil).toBe(0);
});

test("requests are taken one by one from the third owner on that begins at the same place", () => {
  const poison = begin(newPoison(), 100, SINGLE_STEP_FROM - 1);
  expect(poison.singleStepUntil).toBe(0);
  begin(poison, 100, SINGLE_STEP_FROM);
  expect(poison.singleStepUntil).toBe(100 + PREFETCH);
});
