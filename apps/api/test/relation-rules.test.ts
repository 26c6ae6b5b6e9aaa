import type { RelationState } from "@carillon/protocol";
import fc from "fast-check";
import {
  accept,
  block,
  type Rule,
  reject,
  remove,
  request,
  setRemark,
  unblock,
} from "../src/subjects/people/relation-rules";

const limits = { friends: 2, blocks: 1 };
const counts = { ownFriends: 0, peerFriends: 0, ownBlocks: 0 };
type Pair = [own: RelationState, peer: RelationState];

/** What became of a pair, or the name of the refusal. */
function apply(rule: Rule, [own, peer]: Pair, known: Partial<typeof counts> = {}): Pair | string {
  try {
    const edit = rule({ own, peer, ...counts, ...known });
    return [edit.own ?? own, edit.peer ?? peer];
  } catch (error) {
    return (error as Error).name === "CarillonError" || "code" in (error as object)
      ? (error as Error).name
      : String(error);
  }
}

test.each<[string, Rule, Pair, Pair | string]>([
  ["a request", request(limits), ["none", "none"], ["requested", "asked"]],
  ["a request again", request(limits), ["requested", "asked"], ["requested", "asked"]],
  ["a request of one who was asked", request(limits), ["asked", "requested"], ["friend", "friend"]],
  ["a request to a friend", request(limits), ["friend", "friend"], ["friend", "friend"]],
  ["a request to one who has blocked", request(limits), ["none", "blocked"], ["requested", "blocked"]],
  ["a request to one whom one has blocked", request(limits), ["blocked", "none"], "BLOCKED"],
  ["accepting", accept(limits), ["asked", "requested"], ["friend", "friend"]],
  ["accepting twice", accept(limits), ["friend", "friend"], ["friend", "friend"]],
  ["accepting one who has blocked since", accept(limits), ["asked", "blocked"], ["friend", "blocked"]],
  ["accepting nothing", accept(limits), ["requested", "asked"], "NOT_FOUND"],
  ["turning down", reject, ["asked", "requested"], ["none", "none"]],
  ["turning down twice", reject, ["none", "none"], ["none", "none"]],
  ["turning a friend down", reject, ["friend", "friend"], "NOT_FOUND"],
  ["ending a friendship", remove, ["friend", "friend"], ["none", "none"]],
  ["taking a request back", remove, ["requested", "asked"], ["none", "none"]],
  ["ending it with one who has blocked", remove, ["friend", "blocked"], ["none", "blocked"]],
  ["ending it twice", remove, ["none", "none"], ["none", "none"]],
  ["ending what is no friendship", remove, ["blocked", "friend"], "NOT_FOUND"],
  ["a block", block(limits), ["friend", "friend"], ["blocked", "friend"]],
  ["lifting a block of a friend", unblock, ["blocked", "friend"], ["friend", "friend"]],
  ["lifting a block of one who asked meanwhile", unblock, ["blocked", "requested"], ["asked", "requested"]],
  ["lifting one of two blocks", unblock, ["blocked", "blocked"], ["none", "blocked"]],
  ["lifting nothing", unblock, ["none", "blocked"], ["none", "blocked"]],
  ["a remark about a stranger", setRemark("x"), ["none", "none"], "NOT_FOUND"],
])("%s", (_, rule, before, after) => {
  expect(apply(rule, before)).toEqual(after);
});

test.each<[string, Rule, Pair, Partial<typeof counts>, Pair | string]>([
  ["own friends, asking", request(limits), ["none", "none"], { ownFriends: 2 }, "FORBIDDEN"],
  ["own friends, accepting", accept(limits), ["asked", "requested"], { ownFriends: 2 }, "FORBIDDEN"],
  ["the other's friends", accept(limits), ["asked", "requested"], { peerFriends: 3 }, "FORBIDDEN"],
  [
    "the other's, his request among them",
    accept(limits),
    ["asked", "requested"],
    { peerFriends: 2 },
    ["friend", "friend"],
  ],
  ["blocks", block(limits), ["none", "none"], { ownBlocks: 1 }, "FORBIDDEN"],
  ["a block that there is", block(limits), ["blocked", "none"], { ownBlocks: 1 }, ["blocked", "none"]],
])("the limit of %s", (_, rule, before, known, after) => {
  expect(apply(rule, before, known)).toEqual(after);
});

test("whatever two users do: without a block they agree, and the blocked one cannot tell", () => {
  const rules = [request(limits), accept(limits), reject, remove, block({ ...limits, blocks: 9 }), unblock];
  const mirror = { none: "none", requested: "asked", asked: "requested", friend: "friend" } as const;
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: rules.length - 1 })), { maxLength: 30 });
  fc.assert(
    fc.property(steps, (done) => {
      let [a, b]: Pair = ["none", "none"];
      for (const [byA, which] of done) {
        const rule = rules[which]!;
        const result = apply(rule, byA ? [a, b] : [b, a]);
        if (typeof result === "string") continue;
        const isBlocking = rule === rules[4] || rule === unblock;
        const before = byA ? b : a;
        [a, b] = byA ? result : [result[1], result[0]];
        // Blocking and lifting a block change the row of the one who does it, and nothing else.
        if (isBlocking) expect(byA ? b : a).toBe(before);
      }
      if (a !== "blocked" && b !== "blocked") expect(b).toBe(mirror[a]);
    }),
  );
});
