import { type CarillonError, type Event, encodeEvent } from "@carillon/protocol";
import { readCursor, writeCursor } from "../src/http/cursor";
import { ArchiveBarrier } from "../src/reading/archive-barrier";
import { type HistoryContext, type HistoryRange, readHistory } from "../src/reading/history";
import { pull } from "../src/reading/query-service";

const CONVERSATION = "p:alice:bob";

function event(seq: number, content = `text ${seq}`): Event {
  return {
    conversationId: CONVERSATION,
    seq,
    messageId: String(seq),
    kind: "message",
    senderId: "alice",
    clientMsgId: `id-${seq}`,
    contentType: "text",
    content,
    sentAt: seq,
  };
}

/** A conversation of `lastSeq` events of which `archived` are in the archive. */
function context(lastSeq: number, archived = lastSeq, content?: string): HistoryContext {
  return {
    owners: { spansOf: async () => ({ spans: [[1, lastSeq]], lastSeq }) },
    waitMs: 0,
    views: { floor: async () => ({ purgedSeq: 0, hiddenSeq: 0 }) },
    conversations: {
      history: async (_, { from, to }) => {
        const seqs = Array.from({ length: Math.max(0, Math.min(to, archived) - from + 1) }, (_, i) => from + i);
        return seqs.map((seq) => event(seq, content));
      },
    },
  };
}

describe("history", () => {
  const page = async (range: Partial<HistoryRange>, of = context(10)) => {
    const wanted = { from: 1, limit: 50, backwards: false, ...range };
    const { events, more } = await readHistory(of, "alice", CONVERSATION, wanted);
    return [events.map(({ seq }) => seq).join(" "), more];
  };

  test.each<[string, Partial<HistoryRange>, string, boolean]>([
    ["all", {}, "1 2 3 4 5 6 7 8 9 10", false],
    ["forwards, the first of the range", { from: 3, limit: 2 }, "3 4", true],
    ["forwards up to an end", { from: 3, to: 5 }, "3 4 5", false],
    ["forwards, a full page that is the whole range", { from: 9, limit: 2 }, "9 10", false],
    ["forwards beyond the last", { from: 8, to: 100 }, "8 9 10", false],
    ["above the last", { from: 11 }, "", false],
    ["an empty range", { from: 5, to: 4 }, "", false],
    ["backwards, the last of the range", { from: 8, limit: 2, backwards: true }, "7 8", true],
    ["backwards down to an end", { from: 8, to: 6, backwards: true }, "6 7 8", false],
    ["backwards from beyond the last", { from: 100, limit: 3, backwards: true }, "8 9 10", true],
    ["backwards from nothing", { from: 0, backwards: true }, "", false],
  ])("%s", async (_, range, seqs, more) => {
    expect(await page(range)).toEqual([seqs, more]);
  });

  test.each<[string, Partial<HistoryRange>, string, boolean]>([
    ["all", {}, "4 5 6 7", false],
    ["from before he came", { from: 2, to: 5 }, "4 5", false],
    ["backwards from after he left", { from: 10, limit: 2, backwards: true }, "6 7", true],
    ["backwards to before he came", { from: 5, backwards: true }, "4 5", false],
  ])("of one who belonged to a group from 4 to 7: %s", async (_, range, seqs, more) => {
    const spansOf = async () => ({ spans: [[4, 7]] as [number, number][], lastSeq: 10 });
    const of = { ...context(10), owners: { spansOf } };
    expect(await page(range, of)).toEqual([seqs, more]);
  });

  test("what retention has deleted is not waited for", async () => {
    const purged = { ...context(10), views: { floor: async () => ({ purgedSeq: 6, hiddenSeq: 0 }) } };
    expect(await page({}, purged)).toEqual(["7 8 9 10", false]);
    expect(await page({ from: 8, limit: 5, backwards: true }, purged)).toEqual(["7 8", false]);
    expect(await page({ from: 6, limit: 5, backwards: true }, purged)).toEqual(["", false]);
  });

  test("what the user has cleared is not shown to him, and there is nothing older; his devices fill their gaps", async () => {
    const cleared = { ...context(10), views: { floor: async () => ({ purgedSeq: 2, hiddenSeq: 6 }) } };
    expect(await page({ hidesCleared: true }, cleared)).toEqual(["7 8 9 10", false]);
    expect(await page({ from: 8, limit: 5, backwards: true, hidesCleared: true }, cleared)).toEqual(["7 8", false]);
    expect(await page({ from: 5, to: 8 }, cleared)).toEqual(["5 6 7 8", false]);
  });

  test("a device that fills its gaps gets the numbers of what was cleared, and nothing of its content", async () => {
    const contentsOf = async (of: HistoryContext, conversationId: string) => {
      const { events } = await readHistory(of, "alice", conversationId, { from: 1, limit: 50, backwards: false });
      return events.map(({ seq, content, cleared }) => [seq, content, cleared]);
    };
    const wanted = [
      [1, undefined, true],
      [2, undefined, true],
      [3, "said", undefined],
    ];
    const of = { ...context(3, 3, "said"), views: { floor: async () => ({ purgedSeq: 0, hiddenSeq: 2 }) } };
    expect(await contentsOf(of, CONVERSATION)).toEqual(wanted);
    const recent = {
      read: async () => [1, 2, 3].map((seq) => ({ seq, event: encodeEvent(event(seq, "said")) })),
      clearedUpTo: async () => 2,
    };
    expect(await contentsOf({ ...context(3, 0), recent }, "g:choir")).toEqual(wanted);
    // Who joined and who left is told all the same: the numbers of a group hang on it.
    const system = async () => [{ ...event(1, "{}"), kind: "system" as const }];
    expect(
      await contentsOf({ ...of, ...context(1), views: of.views, conversations: { history: system } }, CONVERSATION),
    ).toEqual([[1, "{}", undefined]]);
  });

  test("what is at hand is given while MySQL is away", async () => {
    const atHand = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, i) => ({ seq: from + i, event: encodeEvent(event(from + i)) }));
    const away = {
      ...context(10),
      views: { floor: () => Promise.reject(new Error("MySQL is away")) },
      recent: { read: async (_: string, from: number, to: number) => atHand(from, to), clearedUpTo: async () => 0 },
    };
    const range = { from: 9, limit: 50, backwards: false };
    const { events } = await readHistory(away, "alice", "g:choir", range);
    expect(events.map(({ seq }) => seq)).toEqual([9, 10]);
  });

  test("what is at hand is not shown when it was cleared, or deleted by retention", async () => {
    const atHand = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, i) => ({ seq: from + i, event: encodeEvent(event(from + i)) }));
    const seen = async (purgedSeq: number, hiddenSeq: number) => {
      const recent = {
        read: async (_: string, from: number, to: number) => atHand(from, to),
        clearedUpTo: async () => hiddenSeq,
      };
      const of = { ...context(10), views: { floor: async () => ({ purgedSeq, hiddenSeq }) }, recent };
      const { events, more } = await readHistory(of, "alice", "g:choir", {
        from: 10,
        limit: 3,
        backwards: true,
        hidesCleared: true,
      });
      return [events.map(({ seq }) => seq).join(" "), more];
    };
    expect(await seen(0, 8)).toEqual(["9 10", false]);
    expect(await seen(9, 0)).toEqual(["10", false]);
  });

  test("of nothing is none", async () => {
    const range = { from: 1, limit: 1, backwards: false };
    const refused = readHistory(context(0), "alice", CONVERSATION, range);
    await expect(refused).rejects.toMatchObject({ name: "NO_SUCH_CONVERSATION" });
  });

  test("an archive that stays behind is BUSY, never a hole", async () => {
    const refused = page({ from: 8 }, context(10, 9));
    await expect(refused).rejects.toMatchObject({ name: "BUSY", retryAfterMs: expect.any(Number) });
    expect(await page({ from: 8, to: 9 }, context(10, 9))).toEqual(["8 9", false]);
  });
});

describe("a page for PULLED", () => {
  const question = { userId: "alice", conversationId: CONVERSATION, fromSeq: 1, limit: 1_000, backwards: false };
  const large = context(100, 100, "x".repeat(16_000));

  test("has 64 events at most", async () => {
    const { events, more, lastSeq } = await pull(context(100), question);
    expect([events.length, more, lastSeq]).toEqual([64, true, 100]);
  });

  test("has 60 KiB at most, cut at the far end", async () => {
    const forwards = await pull(large, question);
    expect(forwards.events.map((bytes) => Buffer.from(bytes))).toEqual(
      [1, 2, 3].map((seq) => Buffer.from(encodeEvent(event(seq, "x".repeat(16_000))))),
    );
    expect(forwards.more).toBe(true);
    const backwards = await pull(large, { ...question, fromSeq: 100, limit: 5, backwards: true });
    expect(backwards.events.map((bytes) => Buffer.from(bytes))).toEqual(
      [98, 99, 100].map((seq) => Buffer.from(encodeEvent(event(seq, "x".repeat(16_000))))),
    );
    expect(backwards.more).toBe(true);
  });
});

describe("the barrier", () => {
  const at = (position: number) => new Map([[0, { claim: 1, position }]]);
  const firstMissingAt = async () => undefined;

  test("is passed when the archive has come to where the logs ended", async () => {
    let position = 0;
    const barrier = new ArchiveBarrier({
      logEnds: async () => [3],
      archivePositions: async () => at(position++),
      firstMissingAt,
    });
    expect(await barrier.passed()).toBe(true);
    expect(position).toBe(4);
  });

  test("looks again for those who ask while it looks, once for all of them", async () => {
    let looks = 0;
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const barrier = new ArchiveBarrier({
      logEnds: async () => {
        looks++;
        await gate;
        return [0];
      },
      archivePositions: async () => at(0),
      firstMissingAt,
    });
    const first = barrier.passed();
    await new Promise(setImmediate);
    const later = [barrier.passed(), barrier.passed()];
    open();
    expect(await Promise.all([first, ...later])).toEqual([true, true, true]);
    expect(looks).toBe(2);
  });

  test("is not passed by an archive that is stuck, and tried anew afterwards", async () => {
    let position = 0;
    const facts = { logEnds: async () => [3], archivePositions: async () => at(position), firstMissingAt };
    const barrier = new ArchiveBarrier(facts, 10);
    const first = barrier.passed();
    await new Promise(setImmediate);
    expect(await Promise.all([first, barrier.passed()])).toEqual([false, false]);
    position = 3;
    expect(await barrier.passed()).toBe(true);
  });

  test("of a partition that stands still is passed by those whose inbox has nothing that is missing there", async () => {
    let looks = 0;
    // Partition 1 is archived up to 5 of 9; what comes after was stored at 100,000 ms.
    const barrier = new ArchiveBarrier(
      {
        logEnds: async () => [3, 9],
        archivePositions: async () => {
          looks++;
          return new Map([...at(3), [1, { claim: 1, position: 5 }]]);
        },
        firstMissingAt: async (partition, archived) => (partition === 1 && archived === 5 ? 100_000 : undefined),
      },
      10,
    );
    const reach = (begunAt: number, ...positions: [number, number][]) => ({ begunAt, positions: new Map(positions) });
    expect(await barrier.passed()).toBe(false);
    expect(await barrier.passedFor(reach(1_000, [0, 3]))).toBe(true);
    expect(await barrier.passedFor(reach(1_000, [0, 3], [1, 5]))).toBe(true);
    // It has had what is missing in the archive.
    expect(await barrier.passedFor(reach(1_000, [0, 3], [1, 6]))).toBe(false);
    // It began after that was stored, and may have lost it with the inbox before.
    expect(await barrier.passedFor(reach(99_000, [0, 3]))).toBe(false);
    // What stands still was waited for once: a look at it is enough now.
    looks = 0;
    await barrier.passed();
    expect(looks).toBeLessThanOrEqual(1);
  });

  test("goes on after an error", async () => {
    let away = true;
    const barrier = new ArchiveBarrier({
      logEnds: async () => [-1],
      archivePositions: async () => {
        if (away) throw new Error("away");
        return new Map();
      },
      firstMissingAt,
    });
    await expect(barrier.passed()).rejects.toThrow("away");
    away = false;
    expect(await barrier.passed()).toBe(true);
  });
});

describe("cursors", () => {
  test("are read by the list that gave them, and by no other", () => {
    const cursor = writeCursor("sync", [7, "p:a:b"]);
    expect(readCursor("sync", ["number", "string"], cursor)).toEqual([7, "p:a:b"]);
    for (const [kind, form, text] of [
      ["conversations", ["number", "string"], cursor],
      ["sync", ["number", "number"], cursor],
      ["sync", ["number"], cursor],
      // Made by somebody himself: MySQL would fail to compare it with ids, or with a time.
      ["sync", ["number", "string"], writeCursor("sync", [7, "p:ä:b"])],
      ["sync", ["number", "string"], Buffer.from('["sync",1e400,"p:a:b"]').toString("base64url")],
      ["sync", ["number", "string"], "garbage"],
      ["sync", ["number", "string"], ""],
    ] as const) {
      expect(() => readCursor(kind, form, text)).toThrow(
        expect.objectContaining({ name: "BAD_PAYLOAD" } satisfies Partial<CarillonError>),
      );
    }
  });
});
