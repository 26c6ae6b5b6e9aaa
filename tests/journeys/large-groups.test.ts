/** Groups that are too large for inboxes: members get notices that there is more, and fetch it. Here three members are too many. */
import { randomId, uuidv7 } from "@carillon/base";
import { CarillonClient } from "@carillon/client";
import { Command } from "@carillon/protocol";
import { PASSWORD, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { callAs, type Member, newMember } from "./fixtures/member";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster({ env: { CARILLON_GROUPS_WRITE_FANOUT_MAX: "3" } });
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const patience = 20_000;

const member = (name: string) => newMember(cluster, name, "tcp");

const members = (...names: string[]) => Promise.all(names.map(member));

const call = (who: Member, method: string, path: string, body?: unknown) =>
  callAs(cluster, who, method, `/v1/groups${path}`, body);

async function newGroup(owner: Member, others: Member[]): Promise<string> {
  const body = { name: "crowd", joinPolicy: "open", members: others.map(({ person }) => person.userId) };
  const answer = await call(owner, "POST", "", body);
  expect(answer.status).toBe(201);
  return answer.body.groupId;
}

async function invite(who: Member, groupId: string, { person }: Member): Promise<void> {
  expect((await call(who, "POST", `/${groupId}/members`, { userId: person.userId })).status).toBe(201);
}

async function remove(who: Member, groupId: string, { person }: Member): Promise<void> {
  expect((await call(who, "DELETE", `/${groupId}/members/${person.userId}`)).status).toBe(204);
}

async function say({ client }: Member, groupId: string, content: string): Promise<number> {
  const payload = { clientMsgId: uuidv7(Date.now()), to: `g:${groupId}`, contentType: "text", content };
  const answer = await client.request(Command.SEND, payload);
  expect(answer.command).toBe(Command.SENT);
  return answer.payload.seq;
}

/** Numbers of the group's events that came through the inbox. */
const delivered = ({ client }: Member, groupId: string): number[] =>
  client.events
    .filter(({ event }) => event["conversationId"] === `g:${groupId}`)
    .map(({ event }) => event["seq"] as number);

/** Returns the highest number in a notice to a device. */
const notified = ({ client }: Member, groupId: string): number =>
  Math.max(
    0,
    ...client.frames
      .filter(({ command, payload }) => command === Command.NOTIFY && payload.conversationId === `g:${groupId}`)
      .map(({ payload }) => payload.lastSeq),
  );

/** Returns events that came unasked. */
const passed = ({ client }: Member, groupId: string): string[] =>
  client.frames
    .filter(
      ({ command, requestId, payload }) =>
        command === Command.PULLED && requestId === 0 && payload.conversationId === `g:${groupId}`,
    )
    .flatMap(({ payload }) =>
      payload.events.map(({ seq, content }: { seq: number; content: string }) => `${seq} ${content}`),
    );

const isTold = (who: Member, groupId: string, seq: number) =>
  until(`${who.person.userId} is told of ${seq}`, () => notified(who, groupId) >= seq, patience);

async function pulled({ client }: Member, groupId: string, fromSeq: number): Promise<string[]> {
  const answer = await client.request(Command.PULL, { conversationId: `g:${groupId}`, fromSeq });
  if (answer.command !== Command.PULLED) return [answer.payload.name];
  return answer.payload.events.map(({ seq, content }: { seq: number; content?: string }) => `${seq} ${content ?? "-"}`);
}

const close = (...all: Member[]) => {
  for (const { client } of all) client.close();
};

test("members of a large group get notices and fetch the events, and a member who looks gets events at once", async () => {
  const all = await members("anna", "bert", "carl", "dora");
  const [anna, bert, carl, dora] = all as [Member, Member, Member, Member];
  const groupId = await newGroup(anna, [bert, carl, dora]);
  // Each member has the event of their own join in their inbox.
  for (const each of all) await until("created", () => delivered(each, groupId).join() === "1", patience);
  expect((await bert.client.request(Command.FOCUS, { conversationId: `g:${groupId}` })).command).toBe(Command.OK);
  await isTold(bert, groupId, 1);
  expect(await say(anna, groupId, "hello crowd")).toBe(2);
  await until("bert sees it", () => passed(bert, groupId).join() === "2 hello crowd", patience);
  for (const each of [anna, carl, dora]) await isTold(each, groupId, 2);
  expect(await pulled(carl, groupId, 2)).toEqual(["2 hello crowd"]);
  expect(passed(carl, groupId)).toEqual([]);
  expect(delivered(carl, groupId)).toEqual([1]);

  // A burst has fewer notices than messages; the last notice covers all.
  const before = dora.client.frames.filter(({ command }) => command === Command.NOTIFY).length;
  await Promise.all(Array.from({ length: 40 }, (_, i) => say(anna, groupId, `burst ${i}`)));
  await isTold(dora, groupId, 42);
  const words = dora.client.frames.filter(({ command }) => command === Command.NOTIFY).length - before;
  expect(words).toBeLessThan(40);
  await until("bert sees all", () => passed(bert, groupId).length === 41, patience);
  expect(passed(bert, groupId).map((line) => Number.parseInt(line, 10))).toEqual(
    Array.from({ length: 41 }, (_, i) => i + 2),
  );

  // A member who stops looking gets notices again.
  expect((await bert.client.request(Command.FOCUS, { conversationId: null })).command).toBe(Command.OK);
  expect(await say(carl, groupId, "are you there")).toBe(43);
  await isTold(bert, groupId, 43);
  expect(passed(bert, groupId)).toHaveLength(41);
  close(...all);
});

test("a member who was away gets a notice at their return; a removed member hears of the removal and of nothing later", async () => {
  const all = await members("anna", "bert", "carl", "dora");
  const [anna, bert, carl, dora] = all as [Member, Member, Member, Member];
  const groupId = await newGroup(anna, [bert, carl, dora]);
  await until("dora knows", () => delivered(dora, groupId).length === 1, patience);
  dora.client.close();
  expect(await say(anna, groupId, "without dora")).toBe(2);
  dora.client = await cluster.online(dora.person, "ws");
  await isTold(dora, groupId, 2);
  expect(await pulled(dora, groupId, 1)).toHaveLength(2);

  await carl.client.request(Command.FOCUS, { conversationId: `g:${groupId}` });
  // The fifth member leaves while the group stays large, and has the event of it in their inbox.
  const eve = await member("eve");
  await invite(anna, groupId, eve);
  await until("eve knows", () => delivered(eve, groupId).join() === "3", patience);
  expect(await pulled(eve, groupId, 1)).toHaveLength(1);
  await isTold(bert, groupId, 3);
  await remove(anna, groupId, carl);
  await until("carl knows", () => delivered(carl, groupId).at(-1) === 4, patience);
  expect(await say(anna, groupId, "without carl")).toBe(5);
  for (const each of [bert, dora, eve]) await isTold(each, groupId, 5);
  expect(notified(carl, groupId)).toBeLessThan(5);
  expect(passed(carl, groupId).join()).not.toContain("without carl");
  expect(await pulled(carl, groupId, 5)).toEqual([]);
  const stranger = await member("stranger");
  await stranger.client.request(Command.FOCUS, { conversationId: `g:${groupId}` });
  await say(anna, groupId, "psst");
  await isTold(bert, groupId, 6);
  expect(notified(stranger, groupId) + passed(stranger, groupId).length).toBe(0);
  expect(await pulled(stranger, groupId, 1)).toEqual(["NO_SUCH_CONVERSATION"]);
  close(...all, eve, stranger);
});

test("a group crosses the limit both ways while people write: SDK clients have everything, once, in order", async () => {
  const people = await Promise.all(["anna", "bert", "carl", "dora", "eve"].map((name) => cluster.person(name)));
  const clients = people.map(({ userId }) => {
    const seen: number[] = [];
    const client = new CarillonClient({
      api: cluster.info().api,
      credentials: { userId, password: PASSWORD },
      deviceId: `device-${randomId(6)}`,
      platform: "desktop",
    });
    for (const kind of ["message", "system"] as const) {
      client.on(kind, ({ conversationId, seq }) => {
        if (conversationId.startsWith("g:")) seen.push(seq);
      });
    }
    return { client, seen };
  });
  await Promise.all(clients.map(({ client }) => client.connect()));
  const anna = { person: people[0]!, client: undefined as never };
  const groupId = await newGroup(
    anna,
    people.slice(1, 3).map((person) => ({ person, client: undefined as never })),
  );
  await until("all three know", () => clients.slice(0, 3).every(({ seen }) => seen.length === 1), patience);
  let isOver = false;
  const writing = Promise.all(
    clients.slice(0, 3).map(async ({ client }, i) => {
      for (let n = 0; !isOver; n++) await client.send(`g:${groupId}`, `${i} ${n}`);
    }),
  );
  const others = people.slice(3).map((person) => ({ person, client: undefined as never }));
  for (let turn = 0; turn < 4; turn++) {
    for (const other of others) await invite(anna, groupId, other);
    for (const other of others) await remove(anna, groupId, other);
  }
  isOver = true;
  await writing;
  const last = (await clients[0]!.client.send(`g:${groupId}`, "the end")).seq;
  const everything = Array.from({ length: last }, (_, i) => i + 1);
  for (const { seen } of clients.slice(0, 3)) {
    await until("everything is shown", () => seen.length >= last, patience);
    expect(seen).toEqual(everything);
  }
  // Members who joined and left have each of their stays from its first to its last number.
  const events = [] as { seq: number; senderId: string; content?: string }[];
  for (let from = 1; from <= last; from += 64) {
    const page = await clients[0]!.client.pull({ conversationId: `g:${groupId}`, fromSeq: from, limit: 64 });
    events.push(...page.events);
  }
  for (const [index, { userId }] of people.slice(3).entries()) {
    const changes = events.filter(({ content }) => content?.includes(userId)).map(({ seq }) => seq);
    expect(changes).toHaveLength(8);
    const own = everything.filter((seq) => changes.filter((at) => at <= seq).length % 2 === 1 || changes.includes(seq));
    const { seen } = clients[3 + index]!;
    await until("their stays are shown", () => seen.length >= own.length, patience);
    expect(seen).toEqual(own);
  }
  await Promise.all(clients.map(({ client }) => client.close()));
}, 120_000);

test("a recalled message is gone from fetched events, whether it is older or newer than the growth of the group", async () => {
  const all = await members("anna", "bert", "carl", "dora");
  const [anna, bert, carl, dora] = all as [Member, Member, Member, Member];
  const groupId = await newGroup(anna, [bert, carl]);
  expect(await say(anna, groupId, "said among three")).toBe(2);
  await until("bert has it", () => delivered(bert, groupId).length === 2, patience);
  await invite(anna, groupId, dora);
  expect(await say(anna, groupId, "said among four")).toBe(4);
  const recall = async (targetSeq: number) => {
    const payload = { clientMsgId: uuidv7(Date.now()), conversationId: `g:${groupId}`, targetSeq };
    return until(
      "taken back",
      async () => (await anna.client.request(Command.RECALL, payload)).command === Command.SENT,
      patience,
    );
  };
  await recall(4);
  await recall(2);
  await isTold(carl, groupId, 6);
  expect(await pulled(carl, groupId, 1)).toEqual([
    expect.stringContaining("created"),
    "2 -",
    expect.stringContaining("joined"),
    "4 -",
    "5 -",
    "6 -",
  ]);
  // The messages since the growth of the group are in memory, and need no archive.
  expect(await pulled(carl, groupId, 4)).toEqual(["4 -", "5 -", "6 -"]);
  // Its inbox, too, has only the place of it.
  const again = await cluster.device(bert.person, "device-2");
  const client = await cluster.online(again, "tcp", {
    inbox: { epoch: bert.client.frames.find((f) => f.command === Command.CONNECTED)!.payload.inbox.epoch, seq: 0 },
  });
  const replayed = await client.until("the replay", () => client.events.find(({ event }) => event["seq"] === 2));
  expect(replayed.event["content"]).toBeUndefined();
  client.close();
  close(...all);
});

test("all members of a dissolved large group hear of it, also members who were away", async () => {
  const all = await members("anna", "bert", "carl", "dora");
  const [anna, bert, carl, dora] = all as [Member, Member, Member, Member];
  const groupId = await newGroup(anna, [bert, carl, dora]);
  await until("dora knows", () => delivered(dora, groupId).length === 1, patience);
  const { inbox } = dora.client.frames.find(({ command }) => command === Command.CONNECTED)!.payload;
  dora.client.close();
  await say(anna, groupId, "we close");
  expect((await call(anna, "DELETE", `/${groupId}`)).status).toBe(204);
  for (const each of [anna, bert, carl])
    await until("dissolved", () => delivered(each, groupId).at(-1) === 3, patience);
  dora.client = await cluster.online(dora.person, "tcp", { inbox: { epoch: inbox.epoch, seq: inbox.seq + 1 } });
  await until("dora hears of it", () => delivered(dora, groupId).join() === "3", patience);
  close(...all);
});
