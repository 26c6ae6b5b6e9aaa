/** Tests of the SYNCs of inbox and view: one at a time, shared by all requests that were made before it began. */
import { CarillonError, type ConversationRow, type SyncedPayload, type SyncPayload } from "@carillon/protocol";
import { ConnectionLost } from "../src/connection/requests";
import type { Synced } from "../src/sync/read-pages";
import { Synchroniser } from "../src/sync/synchroniser";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const passes = (ms = 0) => jest.advanceTimersByTimeAsync(ms);
const row = (conversationId: string, lastSeq: number) => ({ conversationId, lastSeq }) as ConversationRow;
const page = (conversations: ConversationRow[], cursor?: string, syncedAt = 100): SyncedPayload => ({
  ...{ inbox: { epoch: "e", seq: 0 }, versions: { relations: syncedAt, groups: syncedAt }, syncedAt },
  ...{ relations: [], groups: [], conversations },
  counts: { relations: 0, groups: 0, conversations: conversations.length },
  more: cursor !== undefined,
  ...(cursor === undefined ? {} : { cursor }),
});

function synchroniserOf(answer: (payload: SyncPayload) => Promise<SyncedPayload>) {
  const asked: SyncPayload[] = [];
  const pages: number[] = [];
  const taken: { synced: Synced; isAll: boolean }[] = [];
  const link = { isInUse: true };
  const synchroniser = new Synchroniser(() => {
    if (!link.isInUse) throw new ConnectionLost();
    return {
      request: (payload) => {
        asked.push(payload);
        return answer(payload);
      },
      isInUse: () => link.isInUse,
    };
  }, new AbortController().signal);
  synchroniser.keeper = {
    begin: () => ({ conversationsSince: 7 }),
    takePage: ({ conversations }) => void pages.push(conversations.length),
    take: (synced, isAll) => void taken.push({ synced, isAll }),
  };
  return { synchroniser, asked, pages, taken, link };
}

test("one SYNC of everything serves inbox and view that ask in the same turn", async () => {
  const { synchroniser, asked, taken } = synchroniserOf(async () => page([row("p:a:b", 3)]));
  synchroniser.changes();
  const all = synchroniser.all();
  synchroniser.changes();
  await passes();
  expect((await all).conversations).toEqual([row("p:a:b", 3)]);
  expect(asked).toEqual([{ limit: 64 }]);
  expect(taken.map(({ isAll }) => isAll)).toEqual([true]);
  await passes(10_000);
  expect(asked).toHaveLength(1);
});

test("all requests during a SYNC share the next one, which asks for changes only", async () => {
  const answers: (() => void)[] = [];
  const { synchroniser, asked, taken } = synchroniserOf(
    () => new Promise((resolve) => answers.push(() => resolve(page([])))),
  );
  synchroniser.changes();
  await passes();
  for (let i = 0; i < 50; i++) synchroniser.changes();
  answers.shift()!();
  await passes(10_000);
  answers.shift()!();
  await passes(10_000);
  expect(asked).toEqual([
    { conversationsSince: 7, limit: 64 },
    { conversationsSince: 7, limit: 64 },
  ]);
  expect(taken.map(({ isAll }) => isAll)).toEqual([false, false]);
});

test("pages merge to time and versions of the first, counts of the last, and the later of a repeated row", async () => {
  const pages = [
    page([row("p:a:b", 3), row("p:a:c", 1)], "second", 100),
    page([row("p:a:d", 1), row("p:a:b", 4)], undefined, 200),
  ];
  const { synchroniser, asked, pages: told } = synchroniserOf(async () => pages.shift()!);
  const all = synchroniser.all();
  await passes();
  expect(await all).toMatchObject({
    conversations: [row("p:a:b", 4), row("p:a:c", 1), row("p:a:d", 1)],
    syncedAt: 100,
    versions: { relations: 100 },
    counts: { conversations: 2 },
  });
  expect(asked).toEqual([{ limit: 64 }, { limit: 64, cursor: "second" }]);
  expect(told).toEqual([2, 2]);
});

test("endless changes cost one SYNC every 3 s, and a request for everything does not wait", async () => {
  const { synchroniser, asked } = synchroniserOf(async () => page([row("p:a:b", 1)]));
  for (let i = 0; i < 600; i++) {
    synchroniser.changes();
    await passes(100);
  }
  expect(asked.length).toBeGreaterThan(15);
  expect(asked.length).toBeLessThan(30);
  const before = asked.length;
  synchroniser.changes();
  await passes(10);
  const all = synchroniser.all();
  await passes(10);
  expect((await all).conversations).toHaveLength(1);
  expect(asked.length).toBe(before + 1);
  // After some quiet the first change causes a SYNC at once.
  await passes(10_000);
  synchroniser.changes();
  await passes(10);
  expect(asked.length).toBe(before + 2);
});

test("BUSY repeats the page, other refusals start again, and a lost connection rejects until the next one serves", async () => {
  const busy = new CarillonError("RATE_LIMITED", undefined, { retryAfterMs: 700 });
  const refused = new CarillonError("BAD_PAYLOAD");
  const outcomes: (SyncedPayload | Error)[] = [refused, page([], "second"), busy, page([row("p:a:b", 1)])];
  const { synchroniser, taken, link, asked } = synchroniserOf(async () => {
    const outcome = outcomes.shift() ?? new ConnectionLost();
    if (outcome instanceof Error) throw outcome;
    return outcome;
  });
  const all = synchroniser.all();
  await passes(600);
  expect(asked).toEqual([{ limit: 64 }, { limit: 64 }, { cursor: "second", limit: 64 }]);
  await passes(2_000);
  expect(asked.at(-1)).toEqual({ cursor: "second", limit: 64 });
  expect((await all).conversations).toEqual([row("p:a:b", 1)]);
  expect(taken).toHaveLength(1);
  const lost = synchroniser.all().catch((error: Error) => error.name);
  await passes(1_000);
  expect(await lost).toBe("UNAVAILABLE");
  link.isInUse = false;
  const nobody = synchroniser.all().catch((error: Error) => error.name);
  await passes(1_000);
  expect(await nobody).toBe("UNAVAILABLE");
  link.isInUse = true;
  outcomes.push(page([row("p:a:b", 2)]));
  const again = synchroniser.all();
  await passes(1_000);
  expect((await again).conversations).toEqual([row("p:a:b", 2)]);
});

test("a keeper that is set during a SYNC gets nothing of it, because it lacks the pages before", async () => {
  const answers: (() => void)[] = [];
  const pages = [page([row("p:a:b", 3)], "second"), page([row("p:a:c", 1)]), page([row("p:a:b", 3), row("p:a:c", 1)])];
  const {
    synchroniser,
    taken,
    pages: told,
  } = synchroniserOf(() => new Promise((resolve) => answers.push(() => resolve(pages.shift()!))));
  const { keeper } = synchroniser;
  synchroniser.keeper = undefined;
  const all = synchroniser.all();
  await passes();
  answers.shift()!();
  await passes();
  synchroniser.keeper = keeper;
  synchroniser.changes();
  answers.shift()!();
  await passes(10_000);
  expect((await all).conversations).toHaveLength(2);
  expect([told, taken]).toEqual([[], []]);
  answers.shift()!();
  await passes();
  expect([told, taken.length]).toEqual([[2], 1]);
});

test("a keeper that fails does not stop the requests", async () => {
  const { synchroniser, asked } = synchroniserOf(async () => page([row("p:a:b", 3)]));
  const reported: unknown[] = [];
  const report = jest.spyOn(console, "error").mockImplementation((error) => void reported.push(error));
  const fails = () => {
    throw new Error("a fault of the view");
  };
  for (const keeper of [
    { begin: fails, takePage: () => {}, take: () => {} },
    { begin: () => ({}), takePage: fails, take: () => {} },
    { begin: () => ({}), takePage: () => {}, take: fails },
  ]) {
    synchroniser.keeper = keeper;
    const all = synchroniser.all();
    await passes(1_000);
    expect((await all).conversations).toEqual([row("p:a:b", 3)]);
  }
  report.mockRestore();
  expect(reported).toEqual(Array.from({ length: 3 }, () => new Error("a fault of the view")));
  expect(asked).toHaveLength(3);
});
