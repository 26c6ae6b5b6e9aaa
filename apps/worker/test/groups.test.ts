/** Groups in the worker: who belongs from which number to which, and what changes owe to their conversation. */
import { uuidv7 } from "@carillon/base";
import type { OriginatedRequest } from "@carillon/bus";
import { decodeEvent } from "@carillon/protocol";
import type { GroupChange, GroupStay, LoadedGroup, MemberStays } from "@carillon/store";
import { until } from "@carillon/testkit";
import { decideChanges, decideRound, type Facts, type Round } from "../src/decide/decision";
import { GroupState } from "../src/decide/group-state";
import { GroupCache } from "../src/lookups/group-cache";
import { foldRecord, newPartitionState, type PartitionState, pruneState } from "../src/partition/state";

const NOW = Date.UTC(2026, 10, 21);
const policy = {
  strangers: "allow" as const,
  recallMs: 120_000,
  showsBefore: false,
  keepMs: Number.POSITIVE_INFINITY,
};
const normal = { status: "normal" as const, mutedUntil: 0 };

/** By default a member since the first number. */
function member(userId: string, changes: Partial<MemberStays> = {}): MemberStays {
  return { userId, role: "member", mutedUntil: 0, isPresent: true, stays: [stay({ joinedSeq: 1 })], ...changes };
}

function stay(changes: Partial<GroupStay> = {}): GroupStay {
  return { joinedVersion: 1, joinedSeq: 0, leftVersion: undefined, leftSeq: undefined, ...changes };
}

function change(version: number, changes: Partial<GroupChange> = {}): GroupChange {
  const content = `{"type":"change ${version}"}`;
  return { groupId: "choir", version, actorId: "anna", clientMsgId: uuidv7(NOW), content, ...changes };
}

function loaded(members: MemberStays[], version: number, changes: GroupChange[] = []): LoadedGroup {
  const about = { name: "choir", notice: undefined, ownerId: "anna", joinPolicy: "open" as const, muted: false };
  const group = { groupId: "choir", ...about, memberCount: members.length, version };
  const rest = { createdAt: NOW, dissolved: false, fanOut: "write" as const };
  return { group: { ...group, ...rest }, members, changes };
}

const groupOf = (state: PartitionState, from: LoadedGroup) => new GroupState(from, "g:choir", 0, state.groupChanges);

function facts(group: GroupState | null | undefined, changes: Partial<Facts> = {}): Facts {
  return {
    privateFacts: () => undefined,
    group: () => group,
    user: () => normal,
    recallTarget: () => undefined,
    archivedLastSeq: () => 0,
    archivedMessage: () => undefined,
    retentionCut: 0,
    ...changes,
  };
}

function request(senderId: string, changes: Partial<OriginatedRequest> = {}): OriginatedRequest {
  return {
    ...{ replyTo: "g1", boot: "b1", connection: 1, requestId: 1, senderId, clientMsgId: uuidv7(NOW) },
    ...{ conversationId: "g:choir", contentType: "text", content: "hello" },
    ...changes,
  };
}

/** Appends the round to an imaginary log, as the journey does. */
function append(state: PartitionState, round: Round, storedAt = NOW): void {
  const header = { ownerEpoch: 1, boot: "b", append: 1, covered: 0, fanout: 0, streamLife: "life" };
  foldRecord(state, { seq: state.lastRecord + 1, storedAt, header, body: { kind: "events", events: round.events } });
}

const outcomes = (round: Round) =>
  round.verdicts.map(({ outcome }) => ("sent" in outcome ? outcome.sent.seq : outcome.error.name));
const kinds = (round: Round) =>
  round.events.map(({ event, version }) => {
    const { kind, seq } = decodeEvent(event);
    return version === undefined ? `${seq} ${kind}` : `${seq} ${kind} of version ${version}`;
  });

describe("changes of a group", () => {
  test("come before the message that is asked for after them, in order, and once", () => {
    const state = newPartitionState(0, 0);
    const group = groupOf(state, loaded([member("anna"), member("bert", { stays: [stay({ joinedVersion: 2 })] })], 2));
    group.refresh(loaded([], 2, [change(1), change(2)]), 0);
    const round = decideRound(state, [request("bert"), request("anna")], facts(group), policy, NOW);
    expect(kinds(round)).toEqual(["1 system of version 1", "2 system of version 2", "3 message", "4 message"]);
    expect(outcomes(round)).toEqual([3, 4]);
    append(state, round);
    expect(kinds(decideRound(state, [request("anna")], facts(group), policy, NOW))).toEqual(["5 message"]);
    expect(decideChanges(state, [group], facts(group), policy, NOW)?.events).toEqual([]);
  });

  test("are told without anybody writing", () => {
    const state = newPartitionState(0, 0);
    const group = groupOf(state, loaded([member("anna")], 1, [change(1)]));
    const round = decideChanges(state, [group], facts(group), policy, NOW)!;
    expect(kinds(round)).toEqual(["1 system of version 1"]);
    append(state, round);
    expect(group.pending).toEqual([]);
  });

  test("of many groups at once fill as many records as it takes, each of which NATS takes", () => {
    const state = newPartitionState(0, 0);
    const content = "x".repeat(14_000);
    const groups = Array.from({ length: 80 }, (_, i) => {
      const groupId = `choir${i}`;
      const from = loaded([member("anna")], 1, [change(1, { groupId, content })]);
      const own = { ...from, group: { ...from.group, groupId } };
      return new GroupState(own, `g:${groupId}`, 0, state.groupChanges);
    });
    const told: number[] = [];
    for (let records = 0; records < 5; records++) {
      const round = decideChanges(state, groups, facts(groups[0]!), policy, NOW)!;
      if (round.events.length === 0) break;
      expect(round.events.reduce((sum, { event }) => sum + event.length, 0)).toBeLessThan(1_000_000);
      told.push(round.events.length);
      append(state, round);
    }
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(80);
    expect(told.length).toBe(2);
  });

  test("wait while the last number is not known", () => {
    const state = newPartitionState(0, 0);
    const group = groupOf(state, loaded([member("anna")], 1, [change(1)]));
    const cold = facts(group, { archivedLastSeq: () => undefined });
    expect(decideChanges(state, [group], cold, policy, NOW)).toBeUndefined();
    expect(outcomes(decideRound(state, [request("anna")], cold, policy, NOW))).toEqual(["BUSY"]);
  });
});

describe("who may write", () => {
  const refusedBy = (
    group: Partial<LoadedGroup["group"]>,
    own: Partial<MemberStays> = {},
    user: object | null = normal,
  ) => {
    const state = newPartitionState(0, 0);
    const from = loaded([member("anna", own)], 1);
    const known = groupOf(state, { ...from, group: { ...from.group, ...group } });
    return outcomes(decideRound(state, [request("anna")], facts(known, { user: () => user as never }), policy, NOW))[0];
  };

  test.each([
    ["a member", 1, {}, {}],
    ["one who left", "NOT_A_MEMBER", {}, { isPresent: false }],
    ["nobody in a dissolved group", "GROUP_DISSOLVED", { dissolved: true }, {}],
    ["no member of a muted group", "GROUP_MUTED", { muted: true }, {}],
    ["its admin", 1, { muted: true }, { role: "admin" as const }],
    ["no muted member", "GROUP_MUTED", {}, { mutedUntil: NOW + 1 }],
    ["one who was muted", 1, {}, { mutedUntil: NOW }],
  ])("%s: %s", (_, expected, group, own) => {
    expect(refusedBy(group, own)).toBe(expected);
  });

  test.each([
    ["their own mute", { mutedUntil: NOW + 60_000 }, false, {}, 60_000],
    ["that of all groups", {}, false, { mutedUntil: NOW + 1_000 }, 1_000],
    ["the group's, whose end nobody knows", { mutedUntil: NOW + 60_000 }, true, {}, undefined],
  ])("a muted member is told when %s ends", (_, own, muted, user, retryAfterMs) => {
    const state = newPartitionState(0, 0);
    const from = loaded([member("anna", own)], 1);
    const group = groupOf(state, { ...from, group: { ...from.group, muted } });
    const known = facts(group, { user: () => ({ ...normal, ...user }) });
    const [verdict] = decideRound(state, [request("anna")], known, policy, NOW).verdicts;
    expect(verdict!.outcome).toMatchObject({ error: { retryAfterMs } });
  });

  test("a disabled user nowhere, and nobody where no group is", () => {
    expect(refusedBy({}, {}, { status: "disabled", mutedUntil: 0 })).toBe("USER_DISABLED");
    expect(refusedBy({}, {}, { status: "normal", mutedUntil: NOW + 1 })).toBe("USER_MUTED");
    const state = newPartitionState(0, 0);
    const refused = (group: null | undefined) =>
      outcomes(decideRound(state, [request("anna")], facts(group), policy, NOW))[0];
    expect(refused(null)).toBe("NOT_A_MEMBER");
    expect(refused(undefined)).toBe("BUSY");
  });
});

describe("who belongs", () => {
  test("is known by the log before it is archived, and by MySQL afterwards", () => {
    const state = newPartitionState(0, 0);
    const group = groupOf(state, loaded([member("anna"), member("bert", { stays: [stay({ joinedVersion: 7 })] })], 7));
    expect([group.spansOf("bert"), group.spansOf("carl")]).toEqual([[], []]);
    state.groupChanges.add("g:choir", 7, 12, { position: 1, storedAt: NOW });
    group.settle();
    expect(group.spansOf("bert")).toEqual([{ from: 12, to: Number.POSITIVE_INFINITY }]);
    const left = member("bert", {
      isPresent: false,
      stays: [stay({ joinedVersion: 7, joinedSeq: 12, leftVersion: 9 })],
    });
    group.refresh(loaded([left], 9), 0);
    expect(group.spansOf("bert")).toEqual([{ from: 12, to: Number.POSITIVE_INFINITY }]);
    state.groupChanges.add("g:choir", 9, 20, { position: 2, storedAt: NOW });
    group.settle();
    expect(group.spansOf("bert")).toEqual([{ from: 12, to: 20 }]);
    expect([11, 12, 20, 21].map((seq) => group.recipients(seq).join("+"))).toEqual([
      "anna",
      "anna+bert",
      "anna+bert",
      "anna",
    ]);
    pruneState(state, NOW + 1);
    // What is pruned is archived: MySQL has the number.
    expect(state.groupChanges.version("g:choir")).toBe(9);
    state.archived = 3;
    pruneState(state, NOW + 1);
    expect(state.groupChanges.version("g:choir")).toBe(0);
    // What was loaded before is not loaded again, and keeps what the log has forgotten.
    expect(group.spansOf("bert")).toEqual([{ from: 12, to: 20 }]);
    // He comes back; what was said during his first stay is still his, whenever it is fanned out.
    const first = stay({ joinedVersion: 7, joinedSeq: 12, leftVersion: 9, leftSeq: 20 });
    group.refresh(loaded([member("bert", { stays: [first, stay({ joinedVersion: 10 })] })], 10), 0);
    expect([12, 20, 21].map((seq) => group.recipients(seq).includes("bert"))).toEqual([true, true, false]);
    state.groupChanges.add("g:choir", 10, 25, { position: 3, storedAt: NOW });
    group.settle();
    expect([12, 20, 24, 25].map((seq) => group.recipients(seq).includes("bert"))).toEqual([true, true, false, true]);
    expect(group.spansOf("bert")).toEqual([
      { from: 12, to: 20 },
      { from: 25, to: Number.POSITIVE_INFINITY },
    ]);
  });
});

describe("the cache of groups", () => {
  /** MySQL, which answers when it is told to. */
  function source() {
    const asked: { version: number; answer: (news: LoadedGroup | undefined) => void }[] = [];
    const load = ([wanted]: { groupId: string; version: number }[]) =>
      new Promise<Map<string, LoadedGroup>>((resolve) => {
        const answer = (news: LoadedGroup | undefined) => resolve(new Map(news === undefined ? [] : [["choir", news]]));
        asked.push({ version: wanted!.version, answer });
      });
    let now = 0;
    const cache = new GroupCache({ load }, newPartitionState(0, 0).groupChanges, () => now);
    /** Resolves when MySQL is asked. */
    const begin = async () => {
      const answered = cache.load(["choir"]);
      await Promise.resolve();
      return { answered };
    };
    return { asked, cache, begin, later: (ms: number) => (now += ms) };
  }

  test("asks only for what has changed, and looks again after 30 s", async () => {
    const { asked, cache, begin, later } = source();
    const first = await begin();
    asked[0]!.answer(loaded([member("anna"), member("bert")], 3));
    await first.answered;
    expect([cache.isFresh("choir"), asked[0]!.version]).toEqual([true, 0]);
    later(30_001);
    expect(cache.isFresh("choir")).toBe(false);
    const second = await begin();
    asked[1]!.answer(loaded([member("bert", { isPresent: false })], 4));
    await second.answered;
    expect([asked[1]!.version, cache.get("choir")!.member("anna")?.userId]).toEqual([3, "anna"]);
    expect(cache.get("choir")!.member("bert")).toBeUndefined();
  });

  test("a number that another owner has given is read with the whole group", async () => {
    const { asked, cache, begin } = source();
    const bert = (joinedSeq: number) => member("bert", { stays: [stay({ joinedVersion: 2, joinedSeq })] });
    const first = await begin();
    asked[0]!.answer(loaded([member("anna"), bert(0)], 2, [change(2)]));
    await first.answered;
    const second = await begin();
    // MySQL owes the change no more, and no log told us of its number.
    asked[1]!.answer(loaded([member("cora")], 3));
    await until("the whole group is asked for", () => asked.length === 3);
    asked[2]!.answer(loaded([member("anna"), bert(7), member("cora")], 3));
    await second.answered;
    expect(asked.map(({ version }) => version)).toEqual([0, 2, 0]);
    expect(cache.get("choir")!.spansOf("bert")).toEqual([{ from: 7, to: Number.POSITIVE_INFINITY }]);
  });

  test("an older answer that comes later changes nothing", async () => {
    const { asked, cache, begin } = source();
    const loads = [await begin(), await begin()];
    asked[1]!.answer(loaded([member("anna"), member("bert", { isPresent: false })], 5));
    await loads[1]!.answered;
    asked[0]!.answer(loaded([member("anna"), member("bert")], 4));
    await loads[0]!.answered;
    expect(cache.get("choir")!.member("bert")).toBeUndefined();
    expect(cache.get("choir")!.group.version).toBe(5);
  });

  test("a group that does not exist is not there", async () => {
    const { asked, cache, begin } = source();
    const load = await begin();
    asked[0]!.answer(undefined);
    expect((await load.answered).size).toBe(0);
    expect(cache.get("choir")).toBeUndefined();
  });
});
