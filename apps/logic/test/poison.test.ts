import type { LogBody, OriginatedRequest } from "@carillon/bus";
import { foldPoison, isDead, newPoison, type Poison } from "../src/poison";

const request: OriginatedRequest = {
  gateway: "g",
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
  foldPoison(poison, { kind: "epoch", worker: "w", boot: "b", attempt: 4, dead }, false);
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
  foldPoison(poison, { kind: "epoch", worker: "w", boot: "b", attempt: 4, dead }, false);
  expect(isDead(poison, { ...request, replayedAt: 12 })).toBe(true);
  expect(isDead(poison, { ...request, replayedAt: 20 })).toBe(false);
});

test("what was accepted after all is dead no more; others stay so", () => {
  const poison = poisoned();
  foldPoison(poison, accepted("bob", "m-1"), true);
  expect(isDead(poison, request)).toBe(true);
  foldPoison(poison, accepted("alice", "m-1"), true);
  expect(poison.dead).toEqual([]);
});
