/** Tests of read marks, typing and presence on their way to the server: merged, repeated, sent again. */
import { CarillonError, type ReadPayload, type WatchPresencePayload } from "@carillon/protocol";
import { ConnectionLost } from "../src/connection/requests";
import { Listeners } from "../src/core";
import { ReadMarks, TypingPace } from "../src/marks/marks";
import { PresenceWatches } from "../src/presence/presence-watches";
import { KeptValues } from "../src/storage/kept-values";
import { MemoryStorage } from "../src/storage/storage";

const CHAT = "p:alice:bob";
beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const passes = (ms = 0) => jest.advanceTimersByTimeAsync(ms);

function marksOf(answer: (payload: ReadPayload) => Promise<unknown>, storage = new MemoryStorage(), lastSeq = () => 0) {
  const sent: number[] = [];
  const moved: number[] = [];
  const fail = (error: Error) => {
    throw error;
  };
  const events = new Listeners(new AbortController().signal);
  events.on("marks", (pending) => {
    for (const { seq } of pending) if (moved.at(-1) !== seq) moved.push(seq);
  });
  const marks = new ReadMarks({
    storage,
    kept: new KeptValues(storage, fail, new AbortController().signal),
    inbox: { lastSeq },
    questions: {
      once: async <T>(_: number, payload: object) => {
        sent.push((payload as ReadPayload).seq);
        return (await answer(payload as ReadPayload)) as T;
      },
    },
    events,
  });
  return { marks, sent, moved, storage };
}

describe("read marks", () => {
  test("one READ of a conversation is in flight at a time, and the next one carries the highest mark", async () => {
    const answers: (() => void)[] = [];
    const { marks, sent, moved } = marksOf(() => new Promise<void>((resolve) => answers.push(resolve)));
    const all = [1, 3, 2, 7, 5].map((seq) => marks.move(CHAT, seq));
    await passes();
    expect([sent, moved]).toEqual([[1], [1, 3, 7]]);
    answers.shift()!();
    await passes();
    expect(sent).toEqual([1, 7]);
    answers.shift()!();
    await Promise.all(all);
    // A mark that the server has is not sent again.
    await marks.move(CHAT, 6);
    expect(sent).toEqual([1, 7]);
  });

  test("the next session sends marks that could not be sent, also in the next process", async () => {
    const lost = () => Promise.reject(new ConnectionLost());
    const { marks, storage, sent } = marksOf(lost);
    const told = marks.move(CHAT, 4).catch((error: Error) => error.name);
    await passes(60_000);
    expect(sent).toEqual([4]);
    marks.online();
    await passes();
    expect(sent).toEqual([4, 4]);
    marks.stop();
    expect(await told).toBe("UNAVAILABLE");
    const next = marksOf(() => Promise.resolve(), storage);
    await next.marks.restore();
    expect(next.marks.pending).toEqual([{ conversationId: CHAT, seq: 4 }]);
    next.marks.online();
    await passes();
    expect([next.sent, next.marks.pending, await storage.keys()]).toEqual([[4], [], []]);
  });

  test("a READ of a connection that was replaced is sent again over the new one", async () => {
    const endings: ((error?: Error) => void)[] = [];
    const { marks, sent } = marksOf(
      () => new Promise<void>((resolve, reject) => endings.push((error) => (error ? reject(error) : resolve()))),
    );
    const told = marks.move(CHAT, 4);
    await passes();
    // Make before break: the next session opens before the requests of the former one fail.
    marks.online();
    endings.shift()!(new ConnectionLost());
    await passes();
    expect(sent).toEqual([4, 4]);
    endings.shift()!();
    await told;
  });

  test("the client repeats a READ after BUSY; a refusal is final and rejects its promise", async () => {
    const outcomes = [new CarillonError("BUSY", undefined, { retryAfterMs: 50 }), undefined];
    const busy = marksOf(async () => {
      const outcome = outcomes.shift();
      if (outcome !== undefined) throw outcome;
    });
    const told = busy.marks.move(CHAT, 1);
    await passes(50);
    await told;
    expect(busy.sent).toEqual([1, 1]);
    const refused = marksOf(() => Promise.reject(new CarillonError("NO_SUCH_CONVERSATION")));
    const outcome = refused.marks.move(CHAT, 1).catch((error: Error) => error.name);
    await passes();
    expect([await outcome, await refused.storage.keys()]).toEqual(["NO_SUCH_CONVERSATION", []]);
    await expect(refused.marks.move(CHAT, 1)).rejects.toMatchObject({ name: "NO_SUCH_CONVERSATION" });
  });
});

test("the client sends TYPING at once, then every 3 s at most for each conversation, and again after the message", async () => {
  const said: string[] = [];
  let isOnline = true;
  const pace = new TypingPace({
    tell: (_, payload) => {
      if (isOnline) said.push((payload as { conversationId: string }).conversationId);
      return isOnline;
    },
  });
  for (const conversationId of ["a", "a", "b", "a"]) pace.typing(conversationId);
  expect(said).toEqual(["a", "b"]);
  await passes(2_999);
  pace.typing("a");
  expect(said).toHaveLength(2);
  await passes(1);
  pace.typing("a");
  expect(said).toEqual(["a", "b", "a"]);
  pace.sent("a");
  pace.typing("a");
  expect(said).toHaveLength(4);
  // A TYPING that could not be sent does not delay the next one.
  isOnline = false;
  pace.typing("c");
  isOnline = true;
  pace.typing("c");
  expect(said.at(-1)).toBe("c");
});

describe("presence", () => {
  function watchesOf(answer: () => Promise<unknown> = () => Promise.resolve()) {
    const asked: string[] = [];
    const sizes: number[] = [];
    const released: string[] = [];
    const ask = ({ userIds, on }: WatchPresencePayload) => {
      sizes.push(userIds.length);
      asked.push(`${on ? "+" : "-"}${userIds.join()}`);
      return answer();
    };
    return { watches: new PresenceWatches(ask, (userId) => void released.push(userId)), asked, sizes, released };
  }

  test("a user who is watched twice is watched until both watches end", async () => {
    const { watches, asked, released } = watchesOf();
    watches.online(500);
    const [one, other] = [watches.watch(["bob", "carl"]), watches.watch(["bob", "bob"])];
    await passes();
    expect(asked).toEqual(["+bob,carl"]);
    one();
    one();
    await passes();
    expect([asked.at(-1), released]).toEqual(["-carl", ["carl"]]);
    other();
    await passes();
    expect([asked.at(-1), released]).toEqual(["-bob", ["carl", "bob"]]);
  });

  test("a user who is released and watched again in one turn is requested again, because their presence was forgotten", async () => {
    const { watches, asked, released } = watchesOf();
    watches.online(500);
    const end = watches.watch(["bob", "carl"]);
    await passes();
    // A screen that is drawn again does the same.
    end();
    watches.watch(["bob", "dora"]);
    await passes();
    expect(released).toEqual(["bob", "carl"]);
    expect(asked).toEqual(["+bob,carl", "-carl", "+bob,dora"]);
    expect([watches.isWatched("bob"), watches.isWatched("carl")]).toEqual([true, false]);
  });

  test("WATCH_PRESENCE names 64 users a frame, up to the server's limit; later users move up, and all follow a reconnect", async () => {
    const { watches, asked, sizes } = watchesOf();
    const ids = (from: number, count: number) => Array.from({ length: count }, (_, i) => `u${from + i}`);
    const first = watches.watch(ids(0, 100));
    watches.watch(ids(100, 100));
    expect(asked).toEqual([]);
    watches.online(150);
    await passes();
    expect(sizes).toEqual([64, 64, 22]);
    first();
    await passes();
    // The client ends watches before it adds others.
    expect(asked.slice(3).map((text) => text[0])).toEqual(["-", "-", "+"]);
    expect(sizes.slice(3)).toEqual([64, 36, 50]);
    watches.online(150);
    await passes();
    expect(sizes.slice(6)).toEqual([64, 36]);
  });

  test("a failed watch is requested again after a while, a refused one in the next session", async () => {
    const outcomes: (Error | undefined)[] = [new CarillonError("BUSY"), undefined, new CarillonError("FORBIDDEN")];
    const { watches, asked } = watchesOf(async () => {
      const outcome = outcomes.shift();
      if (outcome !== undefined) throw outcome;
    });
    watches.online(500);
    watches.watch(["bob"]);
    await passes(60_000);
    watches.watch(["carl"]);
    await passes(600_000);
    expect(asked).toEqual(["+bob", "+bob", "+carl"]);
    watches.online(500);
    await passes();
    expect(asked.at(-1)).toBe("+bob,carl");
  });
});

test("a mark beyond the last number does not hold up later ones", async () => {
  let last = 10;
  const { marks, sent } = marksOf(
    async () => {},
    new MemoryStorage(),
    () => last,
  );
  marks.online();
  await marks.move("p:a:b", 1_000_000);
  expect(marks.pending).toEqual([]);
  last = 13;
  await marks.move("p:a:b", 13);
  await marks.move("p:a:b", 12);
  expect(sent).toEqual([1_000_000, 13]);
});
