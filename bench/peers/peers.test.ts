import { peers } from "./";
import { pairedClients } from "./pairs";

test("each peer has a name of its own, and can be described before it is installed", () => {
  expect(new Set(peers.map(({ name }) => name)).size).toBe(peers.length);
  for (const { name, describe } of peers)
    expect(describe()).toMatch(new RegExp(`^${name} .*acknowledgement|^${name} .*PUBACK`));
});

test("clients write to each other in pairs", () => {
  const clients = pairedClients(6, (i) => ({ port: 1_000 + i, secret: "" }));
  const peerOf = new Map(clients.map(({ userId, peerId }) => [userId, peerId]));
  expect(peerOf.size).toBe(6);
  for (const { userId, peerId } of clients) {
    expect(peerId).not.toBe(userId);
    expect(peerOf.get(peerId)).toBe(userId);
  }
});
