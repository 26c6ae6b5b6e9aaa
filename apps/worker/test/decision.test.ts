import { uuidv7 } from "@carillon/base";
import type { LogRecord, OriginatedRequest } from "@carillon/bus";
import { decodeEvent, limits, privateConversationId } from "@carillon/protocol";
import fc from "fast-check";
import type { Policy, PrivateFacts } from "../src/decide/authorize";
import { decideRound, digestOf, type Facts, type Round } from "../src/decide/decision";
import { foldRecord, newPartitionState, type PartitionState, pruneState } from "../src/partition/state";

const NOW = Date.UTC(2026, 10, 21);
const DAY = 86_400_000;
const policy = {
  strangers: "allow" as const,
  recallMs: 120_000,
  showsBefore: false,
  keepMs: Number.POSITIVE_INFINITY,
};
const friendsOnly: Policy = { ...policy, strangers: "friends-only" };
const normal = { status: "normal" as const, mutedUntil: 0 };
const strangers: PrivateFacts = { sender: normal, peer: normal, outgoing: "none", incoming: "none" };

const facts = (changes: Partial<Facts> = {}): Facts => ({
  privateFacts: () => strangers,
  group: () => undefined,
  user: () => normal,
  recallTarget: () => undefined,
  archivedLastSeq: () => 0,
  archivedMessage: () => undefined,
  retentionCut: 0,
  ...changes,
});

let requestId = 0;
const OLD_ID = uuidv7(NOW);
function request(changes: Partial<OriginatedRequest> = {}): OriginatedRequest {
  const senderId = changes.senderId ?? "alice";
  return {
    replyTo: "g1",
    boot: "b1",
    connection: 1,
    requestId: ++requestId,
    senderId,
    clientMsgId: uuidv7(NOW),
    conversationId: privateConversationId(senderId, "bob"),
    contentType: "text",
    content: "hello",
    ...changes,
  };
}

const outcomes = (round: Round) =>
  round.verdicts.map(({ outcome }) => ("sent" in outcome ? outcome.sent.seq : outcome.error.name));

/** Appends the round to an imaginary log, as the journey does. */
function append(state: PartitionState, round: Round, storedAt = NOW): LogRecord {
  const record: LogRecord = {
    seq: state.lastRecord + 1,
    storedAt,
    header: { ownerEpoch: 1, boot: "b", append: 1, covered: state.covered + 1, fanout: 0, streamLife: "1" },
    body: { kind: "events", events: round.events },
  };
  foldRecord(state, record);
  return record;
}

test("a message is taken back once, also before the archive knows that it was", () => {
  const state = newPartitionState(0, 0);
  append(state, decideRound(state, [request()], facts(), policy, NOW));
  // What MySQL says is a moment behind.
  const target = { senderId: "alice", kind: "message" as const, sentAt: NOW, recalled: false };
  const archive = facts({ recallTarget: () => target });
  const recall = () => request({ contentType: "system", content: "", targetSeq: 1 });
  const round = decideRound(state, [recall(), recall()], archive, policy, NOW);
  expect(outcomes(round)).toEqual([2, "RECALL_NOT_ALLOWED"]);
  append(state, round);
  expect(outcomes(decideRound(state, [recall()], archive, policy, NOW))).toEqual(["RECALL_NOT_ALLOWED"]);
  pruneState(state, NOW + 1);
  expect(outcomes(decideRound(state, [recall()], archive, policy, NOW))).toEqual(["RECALL_NOT_ALLOWED"]);
  state.archived = 2 ** 40;
  pruneState(state, NOW + 1);
  const archived = facts({
    recallTarget: () => ({ ...target, recalled: true }),
    archivedLastSeq: () => 2,
    archivedMessage: () => null,
  });
  expect(outcomes(decideRound(state, [recall()], archived, policy, NOW))).toEqual(["RECALL_NOT_ALLOWED"]);
});

test("operators take back a message in the name of its sender, who may do nothing any more, at any time; and once", () => {
  const state = newPartitionState(0, 0);
  append(state, decideRound(state, [request()], facts(), policy, NOW));
  const target = { senderId: "alice", kind: "message" as const, sentAt: NOW - 2 * policy.recallMs, recalled: false };
  const known = { recallTarget: () => target, user: () => ({ status: "disabled" as const, mutedUntil: 0 }) };
  const recall = (change: object) => request({ contentType: "system", content: "", targetSeq: 1, ...change });
  expect(outcomes(decideRound(state, [recall({})], facts(known), policy, NOW))).toEqual(["USER_DISABLED"]);
  const round = decideRound(state, [recall({ byOperator: true })], facts(known), policy, NOW);
  expect(outcomes(round)).toEqual([2]);
  append(state, round);
  const again = decideRound(state, [recall({ byOperator: true })], facts(known), policy, NOW);
  expect(outcomes(again)).toEqual(["RECALL_NOT_ALLOWED"]);
  const system = facts({ ...known, recallTarget: () => ({ ...target, kind: "system" as const }) });
  const other = decideRound(state, [recall({ byOperator: true, targetSeq: 2 })], system, policy, NOW);
  expect(outcomes(other)).toEqual(["RECALL_NOT_ALLOWED"]);
});

test("what is said about a message of the same round holds only if the round is appended", () => {
  const state = newPartitionState(0, 0);
  append(state, decideRound(state, [request({ clientMsgId: OLD_ID })], facts(), policy, NOW));
  const id = uuidv7(NOW);
  const requests = [
    request({ clientMsgId: id }),
    request({ clientMsgId: id }),
    request({ clientMsgId: id, content: "other" }),
    request({ clientMsgId: OLD_ID }),
  ];
  const round = decideRound(state, requests, facts(), policy, NOW);
  expect(outcomes(round)).toEqual([2, 2, "CONFLICT", 1]);
  expect(round.verdicts.map(({ isTentative }) => isTentative)).toEqual([true, true, true, false]);
});

describe("numbers", () => {
  test("are 1, 2, 3 per conversation, across rounds", () => {
    const state = newPartitionState(0, 0);
    const first = decideRound(state, [request(), request(), request({ senderId: "carol" })], facts(), policy, NOW);
    expect(outcomes(first)).toEqual([1, 2, 1]);
    append(state, first);
    expect(outcomes(decideRound(state, [request()], facts(), policy, NOW))).toEqual([3]);
  });

  test("a refused append leaves no trace: the same round is decided the same way again", () => {
    const state = newPartitionState(0, 0);
    const requests = [request(), request()];
    const once = decideRound(state, requests, facts(), policy, NOW);
    expect(decideRound(state, requests, facts(), policy, NOW)).toEqual(once);
  });

  test("a cold conversation goes on after the archive's highest number; the state wins over an older answer", () => {
    const state = newPartitionState(0, 0);
    const cold = facts({ archivedLastSeq: () => 41 });
    const round = decideRound(state, [request()], cold, policy, NOW);
    expect(outcomes(round)).toEqual([42]);
    append(state, round);
    expect(outcomes(decideRound(state, [request()], cold, policy, NOW))).toEqual([43]);
  });

  test("a cold conversation without an answer of MySQL is BUSY, a running one goes on", () => {
    const state = newPartitionState(0, 0);
    append(state, decideRound(state, [request()], facts(), policy, NOW));
    const silent = facts({ archivedLastSeq: () => undefined });
    const round = decideRound(state, [request({ senderId: "carol" }), request()], silent, policy, NOW);
    expect(outcomes(round)).toEqual(["BUSY", 2]);
  });

  test("message ids rise, whatever the clock does", () => {
    const state = newPartitionState(3, 0);
    let last = 0n;
    for (const now of [NOW, NOW - 5_000, NOW, NOW + 1]) {
      const round = decideRound(state, [request(), request()], facts(), policy, now);
      for (const { event } of round.events) {
        const id = BigInt(decodeEvent(event).messageId);
        expect(id > last).toBe(true);
        last = id;
      }
      append(state, round);
    }
  });
});

describe("repeated requests", () => {
  test("get the first result, in the same round and later, whatever the rules say now", () => {
    const state = newPartitionState(0, 0);
    const original = request();
    const round = decideRound(state, [original, { ...original, requestId: 99 }], facts(), policy, NOW);
    expect(round.events).toHaveLength(1);
    append(state, round);
    const blocked = facts({ privateFacts: () => ({ ...strangers, incoming: "blocked" }) });
    const again = decideRound(state, [original], blocked, policy, NOW + 1_000);
    expect(again.events).toEqual([]);
    const [first, repeated] = [round.verdicts[0]!.outcome, again.verdicts[0]!.outcome];
    expect(repeated).toEqual({ sent: { ...("sent" in first ? first.sent : {}), duplicate: true } });
  });

  test("another body under the same id is a CONFLICT, another sender's same id is not", () => {
    const state = newPartitionState(0, 0);
    const original = request();
    append(state, decideRound(state, [original], facts(), policy, NOW));
    const others = [
      { ...original, content: "other" },
      { ...original, contentType: "image" },
      { ...original, senderId: "bob" },
    ];
    expect(outcomes(decideRound(state, others, facts(), policy, NOW))).toEqual(["CONFLICT", "CONFLICT", 2]);
  });

  test("a refusal is not remembered", () => {
    const state = newPartitionState(0, 0);
    const once = request();
    const blocked = facts({ privateFacts: () => ({ ...strangers, incoming: "blocked" }) });
    expect(outcomes(decideRound(state, [once], blocked, policy, NOW))).toEqual(["NOT_FRIENDS"]);
    expect(outcomes(decideRound(state, [once], facts(), policy, NOW))).toEqual([1]);
  });

  test("an id from before what was ever deleted is refused, however long messages are kept by now", () => {
    const state = newPartitionState(0, 0);
    const dated = (ms: number) => request({ clientMsgId: uuidv7(NOW - ms) });
    const archived = facts({ archivedMessage: () => null, retentionCut: NOW - 2 * DAY });
    const round = decideRound(state, [dated(3 * DAY), dated(DAY), dated(0)], archived, policy, NOW);
    expect(outcomes(round)).toEqual(["BAD_PAYLOAD", 1, 2]);
    const shorter = decideRound(state, [dated(1.5 * DAY)], archived, { ...policy, keepMs: DAY }, NOW);
    expect(outcomes(shorter)).toEqual(["BAD_PAYLOAD"]);
  });

  test("an id dated ahead of the server's clock is refused", () => {
    const state = newPartitionState(0, 0);
    const ids = [10_000, 10_001].map((ahead) => request({ clientMsgId: uuidv7(NOW + ahead) }));
    expect(outcomes(decideRound(state, ids, facts(), policy, NOW))).toEqual([1, "BAD_PAYLOAD"]);
  });

  test("an id of a key may be dated minutes ahead, and is recognised when the table has forgotten it before its date", () => {
    const state = newPartitionState(0, 0);
    const dated = (ahead: number) => request({ replyTo: "api.api-1", clientMsgId: uuidv7(NOW + ahead) });
    const [last, beyond] = [dated(300_000), dated(300_001)];
    const round = decideRound(state, [last, beyond], facts(), policy, NOW);
    expect(outcomes(round)).toEqual([1, "BAD_PAYLOAD"]);
    append(state, round);
    state.archived = Number.MAX_SAFE_INTEGER;
    pruneState(state, NOW + 1);
    expect(state.dedupe.size).toBe(0);
    const archived = { digest: digestOf("text", "hello"), seq: 1, messageId: "70", sentAt: NOW };
    const again = (answer: typeof archived | undefined) =>
      outcomes(decideRound(state, [last], facts({ archivedMessage: () => answer }), policy, NOW + 60_000));
    expect(again(undefined)).toEqual(["BUSY"]);
    expect(again(archived)).toEqual([1]);
  });

  test("an id older than the table is recognised by the archive alone, and BUSY without its answer", () => {
    const state = newPartitionState(0, NOW - 60_000);
    const late = request({ clientMsgId: uuidv7(NOW - 3_600_000) });
    const archived = { digest: digestOf("text", "hello"), seq: 7, messageId: "70", sentAt: NOW - 3_600_000 };
    const by = (answer: typeof archived | null | undefined, changes = {}) =>
      outcomes(decideRound(state, [{ ...late, ...changes }], facts({ archivedMessage: () => answer }), policy, NOW));
    expect(by(undefined)).toEqual(["BUSY"]);
    expect(by(archived)).toEqual([7]);
    expect(by(archived, { content: "other" })).toEqual(["CONFLICT"]);
    expect(by(null)).toEqual([1]);
  });

  test("pruning keeps what is young or not archived, and raises the floor", () => {
    const state = newPartitionState(0, 0);
    const old = request();
    append(state, decideRound(state, [old], facts(), policy, NOW), NOW - 120_000);
    pruneState(state, NOW - 60_000);
    expect(state.dedupe.size).toBe(1);
    state.archived = Number.MAX_SAFE_INTEGER;
    pruneState(state, NOW - 60_000);
    expect(state.dedupe.size).toBe(0);
    expect(state.sequences.size).toBe(0);
    expect(state.dedupe.floor).toBe(NOW - 120_000 + 1);
  });
});

describe("rules", () => {
  const refusedBy = (changes: Partial<PrivateFacts>, own: Policy = policy) =>
    outcomes(
      decideRound(
        newPartitionState(0, 0),
        [request()],
        facts({ privateFacts: () => ({ ...strangers, ...changes }) }),
        own,
        NOW,
      ),
    )[0];

  test.each([
    ["a disabled sender", { sender: { ...normal, status: "disabled" as const } }, "USER_DISABLED"],
    ["a sender that is gone", { sender: undefined }, "USER_DISABLED"],
    ["a muted sender", { sender: { ...normal, mutedUntil: NOW + 1 } }, "USER_MUTED"],
    ["a sender whose mute is over", { sender: { ...normal, mutedUntil: NOW } }, 1],
    ["an unknown peer", { peer: undefined }, "NO_SUCH_USER"],
    ["a deleted peer", { peer: { ...normal, status: "deleted" as const } }, "NO_SUCH_USER"],
    ["a sender who blocked the peer", { outgoing: "blocked" as const }, "BLOCKED"],
    ["a blocked sender, who is not told so", { incoming: "blocked" as const }, "NOT_FRIENDS"],
    ["strangers", {}, 1],
  ])("%s", (_name, changes, expected) => {
    expect(refusedBy(changes)).toBe(expected);
  });

  test("a muted sender is told until when", () => {
    const muted = { ...strangers, sender: { ...normal, mutedUntil: NOW + 90_000 } };
    const round = decideRound(newPartitionState(0, 0), [request()], facts({ privateFacts: () => muted }), policy, NOW);
    expect(round.verdicts[0]!.outcome).toMatchObject({
      error: { name: "USER_MUTED", retryAfterMs: 90_000, message: "muted until 2026-11-21T00:01:30.000Z" },
    });
  });

  test("a mute that was stored without a bound ends with the last time there is", () => {
    for (const mutedUntil of [9e18, Number.POSITIVE_INFINITY]) {
      const muted = { ...strangers, sender: { ...normal, mutedUntil } };
      const known = facts({ privateFacts: () => muted });
      const { outcome } = decideRound(newPartitionState(0, 0), [request()], known, policy, NOW).verdicts[0]!;
      expect(outcome).toMatchObject({ error: { name: "USER_MUTED", retryAfterMs: limits.maxTimeMs - NOW } });
    }
  });

  test("friends only, if so wished", () => {
    expect(refusedBy({}, friendsOnly)).toBe("NOT_FRIENDS");
    expect(refusedBy({ incoming: "friend", outgoing: "friend" }, friendsOnly)).toBe(1);
  });

  test("without facts BUSY; to oneself needs no peer", () => {
    const state = newPartitionState(0, 0);
    const silent = facts({ privateFacts: () => undefined });
    expect(outcomes(decideRound(state, [request()], silent, policy, NOW))).toEqual(["BUSY"]);
    const own = request({ conversationId: privateConversationId("alice", "alice") });
    const alone = facts({ privateFacts: () => ({ ...strangers, peer: undefined }) });
    expect(outcomes(decideRound(state, [own], alone, policy, NOW))).toEqual([1]);
  });

  test("a refused request does not hold back those behind it", () => {
    const state = newPartitionState(0, 0);
    const requests = [request(), request({ clientMsgId: uuidv7(NOW + 60_000) }), request()];
    expect(outcomes(decideRound(state, requests, facts(), policy, NOW))).toEqual([1, "BAD_PAYLOAD", 2]);
  });
});

describe("fold", () => {
  test("the same records give the same state, from rounds of any cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ sender: fc.constantFrom("alice", "carol", "dave"), repeat: fc.boolean() }), {
          minLength: 1,
        }),
        fc.array(fc.integer({ min: 1, max: 5 })),
        (plan, cuts) => {
          const live = newPartitionState(0, 0);
          const records: LogRecord[] = [];
          const sent: OriginatedRequest[] = [];
          for (const { sender, repeat } of plan) {
            sent.push(repeat && sent.length > 0 ? sent.at(-1)! : request({ senderId: sender }));
          }
          for (let at = 0, cut = 0; at < sent.length; cut++) {
            const size = cuts[cut % Math.max(cuts.length, 1)] ?? 1;
            const round = decideRound(live, sent.slice(at, at + size), facts(), policy, NOW + at);
            if (round.events.length > 0) records.push(append(live, round));
            at += size;
          }
          const folded = newPartitionState(0, 0);
          for (const record of records) foldRecord(folded, record);
          for (const one of sent) {
            const found = (state: PartitionState) =>
              state.dedupe.find(one.senderId, one.conversationId, one.clientMsgId)?.seq;
            expect(found(folded)).toBe(found(live));
            expect(folded.sequences.last(one.conversationId)).toBe(live.sequences.last(one.conversationId));
          }
          expect(folded.snowflake).toEqual(live.snowflake);
          expect(folded.covered).toBe(live.covered);
        },
      ),
    );
  });
});
