import type { BringingFacts } from "@carillon/store";
import { type BringingPolicy, bringing } from "../src/subjects/groups/requests";

const facts = (change: Partial<BringingFacts> = {}): BringingFacts => ({
  userId: "bob",
  outgoing: "none",
  incoming: "none",
  whoMayAdd: undefined,
  hasLeft: false,
  ...change,
});
const open: BringingPolicy = { strangers: "allow", whoMayAdd: "everybody" };
const friendsOnly: BringingPolicy = { ...open, strangers: "friends-only" };

function outcome(change: Partial<BringingFacts>, policy: BringingPolicy): string {
  try {
    return bringing(facts(change), policy);
  } catch (error) {
    return (error as Error).name;
  }
}

test.each<[string, Partial<BringingFacts>, BringingPolicy, string]>([
  ["a stranger, who has chosen nothing", {}, open, "join"],
  ["a stranger where the settings say friends", {}, { ...open, whoMayAdd: "friends" }, "invite"],
  ["one who chose otherwise than the settings", { whoMayAdd: "everybody" }, { ...open, whoMayAdd: "consent" }, "join"],
  ["a stranger who lets friends", { whoMayAdd: "friends" }, open, "invite"],
  ["a friend who lets friends", { whoMayAdd: "friends", incoming: "friend" }, open, "join"],
  ["a friend who wants to be asked", { whoMayAdd: "consent", incoming: "friend" }, open, "invite"],
  ["one who has left by themselves", { hasLeft: true, incoming: "friend" }, open, "invite"],
  ["one who blocks the actor: as one who wants to be asked", { incoming: "blocked" }, open, "drop"],
  ["one who blocks the actor and wants to be asked", { incoming: "blocked", whoMayAdd: "consent" }, open, "drop"],
  ["one whom the actor blocks", { outgoing: "blocked" }, open, "BLOCKED"],
  ["a stranger where only friends may write", {}, friendsOnly, "NOT_FRIENDS"],
  ["one who blocks, where only friends may write: the same", { incoming: "blocked" }, friendsOnly, "NOT_FRIENDS"],
  ["a friend where only friends may write", { incoming: "friend" }, friendsOnly, "join"],
])("%s", (_, change, policy, expected) => {
  expect(outcome(change, policy)).toBe(expected);
});
