import { silentLogger } from "@carillon/base/node";
import type { OriginatedRequest } from "@carillon/bus";
import type { UserFacts } from "../src/decide/authorize";
import { FactCache } from "../src/lookups/fact-cache";
import { GroupCache } from "../src/lookups/group-cache";
import { newPartitionState } from "../src/partition/state";

const request: OriginatedRequest = {
  replyTo: "g1",
  boot: "b1",
  connection: 1,
  requestId: 1,
  senderId: "alice",
  clientMsgId: "01932c07-0000-7000-8000-000000000001",
  conversationId: "p:alice:bob",
  contentType: "text",
  content: "hello",
};

/** A MySQL whose answers are given by hand. */
class Source {
  relation: "none" | "blocked" = "none";
  status: UserFacts["status"] = "normal";
  asked = 0;
  private held: (() => void)[] | undefined;

  hold(): void {
    this.held = [];
  }

  answer(): void {
    for (const resolve of this.held?.splice(0) ?? []) resolve();
    this.held = undefined;
  }

  async users(ids: string[]) {
    const { status } = this;
    await this.turn();
    return new Map(ids.map((id) => [id, { status, mutedUntil: 0 }]));
  }

  async relations(pairs: [string, string][]) {
    const { relation } = this;
    await this.turn();
    return new Map(pairs.map(([a, b]) => [`${a} ${b}`, relation]));
  }

  async lastSeqs() {
    return new Map<string, number>();
  }

  async messagesById() {
    return [];
  }

  async retentionCut() {
    return 0;
  }

  async recallTargets() {
    return new Map();
  }

  private async turn(): Promise<void> {
    this.asked++;
    if (this.held !== undefined) await new Promise<void>((resolve) => this.held!.push(resolve));
  }
}

function newCache() {
  const source = new Source();
  const cache = new FactCache(source, silentLogger(), () => 1_000);
  const state = newPartitionState(0, 0);
  const noGroups = { load: async () => new Map() };
  const groups = new GroupCache(noGroups, state.groupChanges, () => 1_000);
  const look = async () => {
    const facts = cache.prepare(state, groups, [request]);
    await facts.settle(1_000);
    return facts.privateFacts("alice", "bob");
  };
  return { source, cache, look };
}

test("what is known is not asked again, until it is forgotten", async () => {
  const { source, cache, look } = newCache();
  await look();
  await look();
  expect(source.asked).toBe(2);
  source.relation = "blocked";
  expect((await look())?.outgoing).toBe("none");
  cache.forgetRelation("bob", "alice");
  expect(await look()).toMatchObject({ outgoing: "blocked", incoming: "blocked" });
  source.status = "disabled";
  cache.forgetUser("alice");
  expect(await look()).toMatchObject({ sender: { status: "disabled" }, peer: { status: "normal" } });
});

test.each<[string, (cache: FactCache) => void]>([
  ["a pair", (cache) => cache.forgetRelation("alice", "bob")],
  ["everybody", (cache) => cache.forgetEverybody()],
])("an answer that was asked for before %s was forgotten is not remembered: it is asked again", async (_, forget) => {
  const { source, cache, look } = newCache();
  source.hold();
  const looking = look();
  source.relation = "blocked";
  forget(cache);
  source.answer();
  expect(await looking).toMatchObject({ outgoing: "blocked", incoming: "blocked" });
});

test("both directions of a pair are asked in one question, whoever writes first", async () => {
  const { source, look } = newCache();
  const asked: [string, string][][] = [];
  const { relations } = source;
  source.relations = (pairs) => {
    asked.push(pairs);
    return relations.call(source, pairs);
  };
  await look();
  expect(asked).toEqual([
    [
      ["alice", "bob"],
      ["bob", "alice"],
    ],
  ]);
});
