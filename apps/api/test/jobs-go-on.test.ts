import { CarillonError } from "@carillon/protocol";
import type { Broadcast } from "@carillon/store";
import { carryOnBroadcasts } from "../src/jobs/broadcasts";
import { deleteExpired } from "../src/jobs/retention";
import type { ApiParts } from "../src/parts";

const { signal } = new AbortController();
const DAY_MS = 86_400_000;

function broadcast(number: number): Broadcast {
  const broadcastId = `b${number}`;
  return { broadcastId, createdAt: number, senderId: "news", contentType: "text", content: "", after: "", ...NOTHING };
}
const NOTHING = { userIds: ["reader"], sent: 0, refused: 0, doneAt: undefined };

test("a broadcast that fails, and many that have to wait, hold up none of the others", async () => {
  const all = Array.from({ length: 45 }, (_, i) => broadcast(i));
  const finished: string[] = [];
  const context = {
    broadcasts: {
      open: async (limit: number, after?: Broadcast) =>
        all.slice(after === undefined ? 0 : after.createdAt + 1).slice(0, limit),
      recipients: async ({ broadcastId, userIds }: Broadcast, after: string) => {
        if (broadcastId === "b3") throw new Error("its rows cannot be read");
        return after === "" ? userIds : [];
      },
      advance: async () => true,
      finish: async (broadcastId: string) => void finished.push(broadcastId),
    },
    messages: {
      send: async ({ content }: { content: string }) => {
        if (content === "waits") throw new CarillonError("BUSY");
      },
    },
    clock: { now: () => 0 },
  } as unknown as ApiParts;
  for (const waiting of all.slice(4, 30)) waiting.content = "waits";
  await expect(carryOnBroadcasts(context, signal)).rejects.toThrow("its rows cannot be read");
  const served = all.filter(({ content, broadcastId }) => content === "" && broadcastId !== "b3");
  expect(finished).toEqual(served.map(({ broadcastId }) => broadcastId));
});

test("a conversation whose old messages cannot be deleted holds up none of the others", async () => {
  const left = new Set(Array.from({ length: 250 }, (_, i) => `c${i}`));
  const cuts: number[] = [];
  const context = {
    retention: {
      expired: async (_before: number, limit: number) =>
        [...left].slice(0, limit).map((conversationId) => ({ conversationId, upTo: 1 })),
      raiseCut: async (before: number) => void cuts.push(before),
      purge: async ({ conversationId }: { conversationId: string }) => {
        if (conversationId === "c7") throw new Error("a lock is held");
        left.delete(conversationId);
        return 1;
      },
    },
    config: { retention: { days: 1 } },
    clock: { now: () => DAY_MS + 90 },
    logger: { info: () => {} },
  } as unknown as ApiParts;
  await expect(deleteExpired(context, signal)).rejects.toThrow("a lock is held");
  expect([...left]).toEqual(["c7"]);
  expect(new Set(cuts)).toEqual(new Set([90]));
}, 60_000);
