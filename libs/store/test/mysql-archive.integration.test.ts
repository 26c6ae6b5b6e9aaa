import { snowflakeAt } from "@carillon/base";
import type { Event } from "@carillon/protocol";
import { ArchiveFenced, type MysqlStore } from "@carillon/store";
import { type OpenStore, openStore } from "./open-store";

let opened: OpenStore;
let store: MysqlStore;
let partition = 0;
let user = 0;

beforeAll(async () => {
  opened = await openStore();
  store = opened.store;
}, 120_000);

afterAll(() => opened.close());

function pair(): { conversationId: string; a: string; b: string } {
  const [a, b] = [`a${++user}`, `b${user}`];
  return { conversationId: `p:${a}:${b}`, a, b };
}

let ids = 0;
function event(conversationId: string, seq: number, senderId: string, fields: Partial<Event> = {}): Event {
  return {
    conversationId,
    seq,
    messageId: `36028797018963${String(++ids).padStart(4, "0")}`,
    kind: "message",
    senderId,
    clientMsgId: `0196f000-0000-7000-8000-${String(ids).padStart(12, "0")}`,
    contentType: "text",
    content: `text ${seq}`,
    sentAt: 1_790_000_000_000 + seq,
    ...fields,
  };
}

/** Writes events to a partition of their own. */
async function archive(events: Event[]): Promise<void> {
  const { claim, position } = await store.archive.claim(++partition);
  await store.archive.write({ partition, claim, from: position, to: 100, events });
}

describe("the archive", () => {
  test("gives back what was written, ids and text untouched", async () => {
    const { conversationId, a, b } = pair();
    const events = [
      event(conversationId, 1, a, { content: "äöü 👋 'quoted' \\ \0 end" }),
      event(conversationId, 2, b, { contentType: "image", content: "{}" }),
      event(conversationId, 3, a, { kind: "system", contentType: "system", content: "joined" }),
    ];
    await archive(events);
    const range = { from: 1, to: 10, limit: 10, newestFirst: false };
    expect(await store.conversations.history(conversationId, range)).toEqual(events);
    expect(await store.facts.lastSeqs([conversationId, "p:x:y"])).toEqual(
      new Map([
        [conversationId, 3],
        ["p:x:y", 0],
      ]),
    );
  });

  test("pages both ways, events ascending", async () => {
    const { conversationId, a } = pair();
    await archive(Array.from({ length: 10 }, (_, i) => event(conversationId, i + 1, a)));
    const seqs = async (range: Parameters<typeof store.conversations.history>[1]) =>
      (await store.conversations.history(conversationId, range)).map(({ seq }) => seq);
    expect(await seqs({ from: 2, to: 9, limit: 3, newestFirst: false })).toEqual([2, 3, 4]);
    expect(await seqs({ from: 2, to: 9, limit: 3, newestFirst: true })).toEqual([7, 8, 9]);
  });

  test("takes batches above 1,000 rows and several MiB", async () => {
    const { conversationId, a } = pair();
    const content = "x".repeat(16_000);
    await archive([
      ...Array.from({ length: 300 }, (_, i) => event(conversationId, i + 1, a, { content })),
      ...Array.from({ length: 1_900 }, (_, i) => event(conversationId, i + 301, a)),
    ]);
    expect((await store.facts.lastSeqs([conversationId])).get(conversationId)).toBe(2_200);
    expect(await store.conversations.unread([{ conversationId, userId: "other", above: 0, upTo: 2_200 }])).toEqual([
      2_200,
    ]);
    // What was archived after the list was read is not of this list.
    expect(await store.conversations.unread([{ conversationId, userId: "other", above: 10, upTo: 2_000 }])).toEqual([
      1_990,
    ]);
  }, 60_000);

  test("moves the position together with the rows, or neither", async () => {
    const { conversationId, a } = pair();
    const claimed = await store.archive.claim(++partition);
    expect(claimed).toEqual({ claim: 1, position: -1 });
    const first = event(conversationId, 1, a);
    await store.archive.write({ partition, claim: 1, from: -1, to: 65_535, events: [first] });
    await expect(
      store.archive.write({
        partition,
        claim: 1,
        from: 65_535,
        to: 131_071,
        events: [event(conversationId, 2, a), first],
      }),
    ).rejects.toThrow(/duplicate/i);
    expect(await store.archive.progress(partition)).toEqual({ claim: 1, position: 65_535 });
    expect((await store.facts.lastSeqs([conversationId])).get(conversationId)).toBe(1);
  });

  test("fences a former writer, and one that is wrong about the position", async () => {
    const { conversationId, a } = pair();
    const former = await store.archive.claim(++partition);
    const now = await store.archive.claim(partition);
    expect(now).toEqual({ claim: former.claim + 1, position: -1 });
    const events = [event(conversationId, 1, a)];
    const write = (claim: number, from: number) => store.archive.write({ partition, claim, from, to: 65_535, events });
    await expect(write(former.claim, -1)).rejects.toThrow(ArchiveFenced);
    await expect(write(now.claim, 7)).rejects.toThrow(ArchiveFenced);
    await write(now.claim, -1);
    await expect(write(now.claim, -1)).rejects.toThrow(ArchiveFenced);
    expect((await store.facts.archivePositions()).get(partition)).toEqual({ claim: now.claim, position: 65_535 });
  });

  test("finds messages by the id that the client gave, for their sender only", async () => {
    const { conversationId, a, b } = pair();
    const mine = event(conversationId, 1, a);
    await archive([mine, event(conversationId, 2, b)]);
    const { clientMsgId } = mine;
    const found = await store.facts.messagesById([
      { senderId: a, conversationId, clientMsgId },
      { senderId: b, conversationId, clientMsgId },
      { senderId: a, conversationId: "p:x:y", clientMsgId },
    ]);
    expect(found).toEqual([
      expect.objectContaining({ senderId: a, seq: 1, messageId: mine.messageId, content: "text 1", kind: "message" }),
    ]);
  });

  test("shows a recalled message without content, and counts it no more", async () => {
    const { conversationId, a, b } = pair();
    await archive([
      event(conversationId, 1, a),
      event(conversationId, 2, a),
      event(conversationId, 3, a, { kind: "recall", contentType: "system", content: undefined, targetSeq: 2 }),
    ]);
    const page = await store.conversations.history(conversationId, { from: 1, to: 3, limit: 10, newestFirst: false });
    expect(page.map(({ content, targetSeq }) => [content, targetSeq])).toEqual([
      ["text 1", undefined],
      [undefined, undefined],
      [undefined, 2],
    ]);
    expect(await store.conversations.unread([{ conversationId, userId: b, above: 0, upTo: 10 }])).toEqual([1]);
    expect((await store.conversations.find(b, conversationId))?.preview?.text).toBe("");
  });
});

describe("the list of conversations", () => {
  test("holds a row for each user of a private conversation", async () => {
    const { conversationId, a, b } = pair();
    expect(await store.facts.hasConversation(b)).toBe(false);
    await archive([event(conversationId, 1, a), event(conversationId, 2, a, { content: "é".repeat(200) })]);
    expect(await store.facts.hasConversation(b)).toBe(true);
    const row = {
      conversationId,
      kind: "private",
      lastSeq: 2,
      lastAt: 1_790_000_000_002,
      readSeq: 0,
      peerReadSeq: 0,
      peerDeliveredSeq: 0,
      clearedSeq: 0,
      pinned: false,
      muted: false,
      preview: { senderId: a, contentType: "text", text: "é".repeat(100) },
    };
    expect(await store.conversations.list(a, 10)).toEqual([row]);
    expect(await store.conversations.list(b, 10)).toEqual([row]);
    expect(await store.conversations.find("stranger", conversationId)).toBeUndefined();
  });

  test("a conversation with oneself has one row and no peer", async () => {
    const { a } = pair();
    await archive([event(`p:${a}:${a}`, 1, a)]);
    const rows = await store.conversations.list(a, 10);
    expect(rows).toHaveLength(1);
    expect(rows[0]).not.toHaveProperty("peerReadSeq");
  });

  test("pages newest first without a hole and without a repetition", async () => {
    const me = `me${++user}`;
    const events = Array.from({ length: 7 }, (_, i) =>
      event(`p:a${i}x:${me}`, 1, me, { sentAt: 1_790_000_000_000 + Math.floor(i / 2) }),
    );
    await archive(events);
    const all = (await store.conversations.list(me, 100)).map((row) => row.conversationId);
    expect(all).toHaveLength(7);
    expect((await store.sync.overviews([me])).get(me)!.counts.conversations).toBe(7);
    const paged: string[] = [];
    for (let after: { lastAt: number; conversationId: string } | undefined; ; ) {
      const page = await store.conversations.list(me, 2, { after });
      paged.push(...page.map((row) => row.conversationId));
      if (page.length < 2) break;
      after = page.at(-1)!;
    }
    expect(paged).toEqual(all);
  });

  test("since a time gives what was written to, or whose marks moved", async () => {
    const { conversationId, a, b } = pair();
    await archive([event(conversationId, 1, a)]);
    const now = await store.conversations.databaseTime();
    expect(await store.conversations.list(a, 10, { since: now - 60_000 })).toHaveLength(1);
    expect(await store.conversations.list(a, 10, { since: now + 60_000 })).toHaveLength(0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const later = await store.conversations.databaseTime();
    expect(await store.conversations.list(a, 10, { since: later })).toEqual([]);
    await store.conversations.moveMarks([{ conversationId, userId: b, read: 1, delivered: 0 }]);
    expect(await store.conversations.list(a, 10, { since: later })).toMatchObject([{ conversationId, peerReadSeq: 1 }]);
    expect((await store.conversations.find(a, conversationId))?.peerReadSeq).toBe(1);
  });
});

describe("marks", () => {
  test("only move forward, and read implies delivered", async () => {
    const { conversationId, a, b } = pair();
    await archive([event(conversationId, 1, a)]);
    const marks = (read: number, delivered: number) =>
      store.conversations.moveMarks([{ conversationId, userId: b, read, delivered }]);
    const seen = async () => {
      const row = await store.conversations.find(a, conversationId);
      return [row?.peerReadSeq, row?.peerDeliveredSeq];
    };
    await marks(3, 0);
    expect(await seen()).toEqual([3, 3]);
    await marks(0, 5);
    expect(await seen()).toEqual([3, 5]);
    await marks(2, 4);
    expect(await seen()).toEqual([3, 5]);
  });

  test("put no conversation of others into a user's list", async () => {
    const { conversationId, a } = pair();
    await archive([event(conversationId, 1, a)]);
    await store.conversations.moveMarks([{ conversationId, userId: "mallory", read: 1, delivered: 1 }]);
    expect(await store.conversations.list("mallory", 10)).toEqual([]);
  });

  test("of many users at once, from two writers, do not get in each other's way", async () => {
    const marks = Array.from({ length: 200 }, (_, i) => ({
      conversationId: `p:marks${i}:peer${i}`,
      userId: `marks${i}`,
      read: 1,
      delivered: 1,
    }));
    await Promise.all([
      store.conversations.moveMarks(marks),
      store.conversations.moveMarks([...marks].reverse()),
      store.conversations.moveMarks(marks),
    ]);
    await archive(marks.map(({ conversationId, userId }) => event(conversationId, 1, userId)));
    expect((await store.conversations.list("marks7", 10))[0]?.readSeq).toBe(1);
  });
});

describe("retention", () => {
  test("takes old beginnings away, a thousand rows at a time, and never the newest event", async () => {
    const [long, old] = [pair(), pair()];
    const DAY = 86_400_000;
    const START = Date.UTC(2026, 0, 1);
    const at = (conversationId: string, seq: number, sender: string, ms: number) =>
      event(conversationId, seq, sender, { messageId: snowflakeAt(ms), sentAt: ms });
    // A minute between two of them; the last 100 are young.
    const times = Array.from({ length: 2_400 }, (_, i) => START + i * 60_000);
    await archive([
      ...times.map((ms, i) => at(long.conversationId, i + 1, long.a, ms)),
      at(old.conversationId, 1, old.a, START - DAY),
    ]);
    const olderThan = times[2_300]!;
    const parts = await store.retention.expired(olderThan, 10);
    expect(parts).toEqual([{ conversationId: long.conversationId, upTo: 2_300 }]);
    expect(await store.facts.retentionCut()).toBe(0);
    // The highest that was ever made is kept, whatever is wanted later.
    for (const cut of [olderThan, olderThan - DAY]) await store.retention.raiseCut(cut);
    expect(await store.facts.retentionCut()).toBe(olderThan);
    expect(await store.retention.purge(parts[0]!)).toBe(2_300);
    expect(await store.retention.expired(olderThan, 10)).toEqual([]);
    expect(await store.views.floor("nobody", long.conversationId)).toEqual({ purgedSeq: 2_300, hiddenSeq: 0 });
    expect(await store.facts.lastSeqs([long.conversationId, old.conversationId])).toEqual(
      new Map([
        [long.conversationId, 2_400],
        [old.conversationId, 1],
      ]),
    );
    const gone = { conversationId: long.conversationId, seq: 7 };
    expect((await store.facts.recallTargets([gone])).get(`${gone.conversationId}#7`)).toBeNull();
    expect(await store.audit.numbersIn(long.conversationId)).toMatchObject({
      first: 2_301,
      last: 2_400,
      purgedSeq: 2_300,
    });
  }, 60_000);
});
