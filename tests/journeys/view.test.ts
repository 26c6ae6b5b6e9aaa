/** The local view of the SDK against a real cluster: the actions of one device appear on the other, and after a restart. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { CarillonClient, type ClientOptions, type FileStorage, openFileStorage } from "@carillon/client";
import { viewOf } from "@carillon/client/view";
import { PASSWORD, type Person, startTestCluster, type TestCluster, until } from "@carillon/testkit";

let cluster: TestCluster;
let folder: string;
const clients: CarillonClient[] = [];
const storages: FileStorage[] = [];
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "carillon-view-"));
  cluster = await startTestCluster();
}, 300_000);
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(storages.splice(0).map((storage) => storage.close()));
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

type Extra = Partial<ClientOptions<"ws" | "tcp">>;

/** A device of a user; its view is there before it is connected. */
function device({ userId }: Person, deviceId: string, extra: Extra = {}): CarillonClient {
  const options = { api: cluster.info().api, platform: "other", deviceId, credentials: { userId, password: PASSWORD } };
  const client = new CarillonClient({ ...options, ...extra } as ClientOptions<"ws" | "tcp">);
  clients.push(client);
  viewOf(client);
  return client;
}

async function online(person: Person, deviceId = person.deviceId, extra: Extra = {}): Promise<CarillonClient> {
  const client = device(person, deviceId, extra);
  await client.connect();
  return client;
}

async function inFolder(name: string): Promise<FileStorage> {
  const storage = await openFileStorage(path.join(folder, name));
  storages.push(storage);
  return storage;
}

const listed = (client: CarillonClient, conversationId: string) =>
  viewOf(client).conversations.find((one) => one.conversationId === conversationId);

const shown = (client: CarillonClient, conversationId: string) =>
  viewOf(client)
    .messages(conversationId)
    .items.map(({ content, status }) => `${content ?? "-"} ${status}`);

/** Waits until a client shows these messages, each with its status. */
const shows = (client: CarillonClient, conversationId: string, expected: string[]) =>
  until(`${client.userId} shows ${expected}`, () => shown(client, conversationId).join() === expected.join());

/** Waits until a conversation is listed so. */
const lists = (client: CarillonClient, conversationId: string, expected: object) =>
  until(`${client.userId} lists ${JSON.stringify(expected)}`, () => {
    const found = listed(client, conversationId);
    return Object.entries(expected).every(([key, value]) => {
      return JSON.stringify(found?.[key as keyof typeof found]) === JSON.stringify(value);
    });
  });

test("two devices of a user and a peer: messages, reads and recalls of one appear on all", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice);
  const [phone, tablet] = [await online(bob), await online(bob, "tablet")];
  const { conversationId } = await a.send(`u:${bob.userId}`, "one");
  await a.send(`u:${bob.userId}`, "two");
  await shows(a, conversationId, ["one delivered", "two delivered"]);
  for (const client of [phone, tablet]) {
    await lists(client, conversationId, { unread: 2, lastSeq: 2, title: alice.userId });
    await shows(client, conversationId, ["one delivered", "two delivered"]);
  }
  const reading = phone.markRead(conversationId, 1);
  // At once on this device, before the server has answered.
  expect(listed(phone, conversationId)).toMatchObject({ unread: 1, readSeq: 1 });
  await reading;
  await lists(tablet, conversationId, { unread: 1, readSeq: 1 });
  await shows(a, conversationId, ["one read", "two delivered"]);
  await a.recall(conversationId, 2);
  for (const client of [phone, tablet]) {
    await lists(client, conversationId, { unread: 0 });
    await shows(client, conversationId, ["one read", "- recalled"]);
    expect(listed(client, conversationId)?.preview?.text).toBe("");
  }
  await shows(a, conversationId, ["one read", "- recalled"]);
  await tablet.send(`u:${alice.userId}`, "from the tablet");
  await shows(phone, conversationId, ["one read", "- recalled", "from the tablet delivered"]);
  await lists(a, conversationId, { unread: 1, lastSeq: 4 });
});

test("a new process shows its stored state before it is connected, then the events that it missed", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice);
  const storage = await inFolder("restart");
  const before = await online(bob, "laptop", { storage });
  const { conversationId } = await a.send(`u:${bob.userId}`, "kept");
  await lists(before, conversationId, { unread: 1 });
  await before.markRead(conversationId, 1);
  await before.close();
  await storage.close();
  await a.send(`u:${bob.userId}`, "missed");
  const after = device(bob, "laptop", { storage: await inFolder("restart") });
  await viewOf(after).restored;
  expect(shown(after, conversationId)).toEqual(["kept read"]);
  expect(listed(after, conversationId)).toMatchObject({ unread: 0, readSeq: 1, lastSeq: 1 });
  await after.connect();
  await lists(after, conversationId, { unread: 1, lastSeq: 2 });
  await shows(after, conversationId, ["kept read", "missed delivered"]);
});

test("a new device gets the list at once, and messages page by page when it looks", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice);
  const contents = Array.from({ length: 120 }, (_, i) => `${i + 1}`);
  const sent = await Promise.all(contents.map((content) => a.send(`u:${bob.userId}`, content)));
  const { conversationId } = sent[0]!;
  const fresh = await online(bob, "new");
  await lists(fresh, conversationId, { unread: 120, lastSeq: 120 });
  const drawn: number[] = [];
  viewOf(fresh).subscribe(`messages/${conversationId}`, () => {
    drawn.push(viewOf(fresh).messages(conversationId).items.length);
  });
  expect(viewOf(fresh).messages(conversationId)).toMatchObject({ items: [], hasOlder: true });
  await until("the newest page", () => drawn.at(-1) === 50);
  expect(await viewOf(fresh).loadOlder(conversationId)).toBe(true);
  expect(await viewOf(fresh).loadOlder(conversationId)).toBe(false);
  expect(
    viewOf(fresh)
      .messages(conversationId)
      .items.map(({ content }) => content),
  ).toEqual(contents);
  // The user read up to the middle: the remaining messages are counted here.
  void fresh.markRead(conversationId, 60);
  expect(listed(fresh, conversationId)).toMatchObject({ unread: 60 });
});

test("a conversation opens around a message, goes on both ways, and meets the newest end", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice);
  const sent = await Promise.all(Array.from({ length: 180 }, (_, i) => a.send(`u:${bob.userId}`, `${i + 1}`)));
  const { conversationId } = sent[0]!;
  const storage = await inFolder("around");
  const b = await online(bob, "new", { storage });
  await lists(b, conversationId, { lastSeq: 180 });
  const view = viewOf(b);
  const place = { around: 70 };
  const look = (around?: number) => view.messages(conversationId, { around });
  const seqs = (around?: number) => look(around).items.map(({ seq }) => seq);
  const from = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
  let drawn = look(70);
  view.subscribe(`messages/${conversationId}`, () => {
    drawn = look(70);
  });
  expect(drawn).toMatchObject({ items: [], hasOlder: true, hasNewer: true });
  await until("both sides", () => drawn.items.length === 100);
  expect([seqs(70), drawn.hasOlder, drawn.hasNewer]).toEqual([from(21, 120), true, true]);
  // A new message is at the newest end, which lies apart.
  await a.send(`u:${bob.userId}`, "meanwhile");
  await until("the live one", () => look().items.at(-1)?.content === "meanwhile");
  expect([seqs(70), seqs()]).toEqual([from(21, 120), from(131, 181)]);
  expect([await view.loadOlder(conversationId, place), await view.loadNewer(conversationId, place)]).toEqual([
    false,
    false,
  ]);
  expect([seqs(70), seqs()]).toEqual([from(1, 181), from(1, 181)]);
  await a.send(`u:${bob.userId}`, "at the end");
  await until("the newest end", () => drawn.items.at(-1)?.content === "at the end");
  await b.conversationSettings(conversationId, { clearedSeq: 100 });
  expect([seqs(70), look(70).hasOlder]).toEqual([from(101, 182), false]);
  await b.close();
  await storage.close();
  const later = device(bob, "new", { storage: await inFolder("around") });
  await viewOf(later).restored;
  expect(viewOf(later).messages(conversationId, { around: 110 })).toMatchObject({
    items: from(101, 182).map((seq) => ({ seq })),
    ...{ hasOlder: false, hasNewer: false },
  });
});

test("a group that is opened around a message from before the user came begins with their coming", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await online(alice), await online(bob)];
  const { groupId } = await a.groups.create({ name: "choir", joinPolicy: "open" });
  const say = async (count: number) => {
    for (let i = 1; i < count; i++) await a.send(`g:${groupId}`, "la");
    return (await a.send(`g:${groupId}`, "la")).seq;
  };
  await say(3);
  await b.groups.join(groupId);
  await say(3);
  await b.groups.leave(groupId);
  const before = await say(60);
  await b.groups.join(groupId);
  const end = await say(60);
  const fresh = await online(bob, "new");
  await lists(fresh, `g:${groupId}`, { lastSeq: end });
  const seen = Array.from({ length: end - before }, (_, i) => before + 1 + i);
  for (const around of [before, 1]) {
    const look = () => viewOf(fresh).messages(`g:${groupId}`, { around });
    const stop = viewOf(fresh).subscribe(`messages/g:${groupId}`, () => void look());
    await until("all since they came", () => look().items.length === seen.length);
    expect(look()).toMatchObject({ items: seen.map((seq) => ({ seq })), hasOlder: false, hasNewer: false });
    stop();
  }
});

test("offline reads and messages are shown at once, and the next process sends them", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice);
  const storage = await inFolder("offline");
  const before = await online(bob, "laptop", { storage });
  const { conversationId } = await a.send(`u:${bob.userId}`, "to be read in the train");
  await lists(before, conversationId, { unread: 1 });
  await before.close();
  await storage.close();
  // A gateway that is not there: the train.
  const again = await inFolder("offline");
  const away = device(bob, "laptop", { storage: again, api: "http://127.0.0.1:1" });
  await viewOf(away).restored;
  away.connect().catch(() => {});
  away.markRead(conversationId, 1).catch(() => {});
  expect(listed(away, conversationId)).toMatchObject({ unread: 0, readSeq: 1 });
  await away.close();
  await again.close();
  const back = device(bob, "laptop", { storage: await inFolder("offline") });
  await viewOf(back).restored;
  expect(listed(back, conversationId)).toMatchObject({ unread: 0 });
  await back.connect();
  await shows(a, conversationId, ["to be read in the train read"]);
});

test("friends and remarks appear on both devices; a former friend is gone after days", async () => {
  const [alice, bob, carl] = [await cluster.person("alice"), await cluster.person("bob"), await cluster.person("carl")];
  const [phone, b, c] = [await online(alice), await online(bob), await online(carl)];
  const storage = await inFolder("friends");
  const laptop = await online(alice, "laptop", { storage });
  for (const friend of [b, c]) {
    await phone.friends.request(friend.userId!);
    await friend.friends.accept(alice.userId);
  }
  const names = (client: CarillonClient) =>
    viewOf(client).people.relations.map(({ name, state }) => `${name} ${state}`);
  await phone.friends.setRemark(bob.userId, "Bobby");
  for (const client of [phone, laptop]) {
    await until("both friends", () => names(client).join() === "Bobby friend,carl friend");
  }
  await laptop.close();
  await storage.close();
  await phone.friends.remove(carl.userId);
  const later = device(alice, "laptop", { storage: await inFolder("friends") });
  await viewOf(later).restored;
  expect(names(later)).toEqual(["Bobby friend", "carl friend"]);
  await later.connect();
  await until("no ghost", () => names(later).join() === "Bobby friend");
});

test("a hidden conversation is in no list of any device until a new message comes", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice);
  const [phone, tablet] = [await online(bob), await online(bob, "tablet")];
  const { conversationId } = await a.send(`u:${bob.userId}`, "one");
  for (const client of [phone, tablet]) await lists(client, conversationId, { unread: 1 });
  await phone.conversationSettings(conversationId, { hidden: true, clear: true });
  expect(viewOf(phone).conversations).toEqual([]);
  await until("the tablet hides it, too", () => viewOf(tablet).conversations.length === 0);
  expect(viewOf(a).conversations).toHaveLength(1);
  await a.send(`u:${bob.userId}`, "two");
  for (const client of [phone, tablet]) await lists(client, conversationId, { unread: 1, lastSeq: 2 });
});

test("settings of one device appear on the other; cleared messages are gone from both", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const a = await online(alice);
  const [phone, tablet] = [await online(bob), await online(bob, "tablet")];
  const { conversationId } = await a.send(`u:${bob.userId}`, "one");
  await a.send(`u:${bob.userId}`, "two");
  for (const client of [phone, tablet]) await lists(client, conversationId, { unread: 2 });
  await phone.conversationSettings(conversationId, { pinned: true, muted: true });
  expect(listed(phone, conversationId)).toMatchObject({ pinned: true, muted: true });
  await lists(tablet, conversationId, { pinned: true, muted: true });
  await tablet.conversationSettings(conversationId, { clearedSeq: 1 });
  for (const client of [phone, tablet]) {
    await lists(client, conversationId, { unread: 1, clearedSeq: 1, pinned: true });
    await shows(client, conversationId, ["two delivered"]);
  }
  expect(listed(a, conversationId)).toMatchObject({ pinned: false, muted: false, clearedSeq: 0 });
  await phone.conversationSettings(conversationId, { clear: true });
  for (const client of [phone, tablet]) {
    await lists(client, conversationId, { unread: 0, clearedSeq: 2 });
    await shows(client, conversationId, []);
    expect(listed(client, conversationId)?.preview).toBeUndefined();
  }
});

test("groups appear, change and go on all devices; after days there is no ghost of one that was left", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, phone] = [await online(alice), await online(bob)];
  const storage = await inFolder("groups");
  const laptop = await online(bob, "laptop", { storage });
  const titles = (client: CarillonClient) =>
    viewOf(client)
      .conversations.map(({ title, unread }) => `${title} ${unread}`)
      .sort();
  const groups = (client: CarillonClient) => viewOf(client).people.groups.map(({ name, role }) => `${name} ${role}`);
  const choir = await a.groups.create({ name: "choir", members: [bob.userId] });
  const chess = await a.groups.create({ name: "chess", members: [bob.userId], joinPolicy: "open" });
  const { seq } = await a.send(`g:${choir.groupId}`, "sing");
  await a.groups.changeMember(choir.groupId, bob.userId, { role: "admin" });
  for (const client of [phone, laptop]) {
    await until("both groups", () => groups(client).join() === "chess member,choir admin");
    await until("their conversations", () => titles(client).join() === "chess 0,choir 1");
  }
  await phone.markRead(`g:${choir.groupId}`, seq);
  await lists(laptop, `g:${choir.groupId}`, { unread: 0 });
  await until("who has read", async () => {
    const { items = [] } = await a.readers(`g:${choir.groupId}`, seq);
    return items.some(({ userId }) => userId === bob.userId);
  });
  await a.groups.change(choir.groupId, { name: "big choir" });
  await until("the new name", () => titles(laptop).includes("big choir 0"));
  await laptop.close();
  await storage.close();
  await phone.groups.leave(choir.groupId);
  await a.groups.dissolve(chess.groupId);
  const later = device(bob, "laptop", { storage: await inFolder("groups") });
  await viewOf(later).restored;
  expect(groups(later)).toEqual(["big choir admin", "chess member"]);
  await later.connect();
  for (const client of [phone, later]) await until("no ghost among the groups", () => groups(client).length === 0);
  const left = `g:${choir.groupId}`;
  for (const client of [phone, later]) await until("no ghost in the list", () => listed(client, left) === undefined);
});

test("presence of friends and typing are shown, and end; presence is told again after a reconnect", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await online(alice), await online(bob)];
  await a.friends.request(bob.userId);
  await b.friends.accept(alice.userId);
  const { conversationId } = await a.send(`u:${bob.userId}`, "hello");
  const [one, other] = [viewOf(a).watch([bob.userId]), viewOf(a).watch([bob.userId])];
  const isOnline = () => viewOf(a).presence(bob.userId)?.online;
  await until("bob is there", () => isOnline() === true);
  one();
  await until("bob's list", () => listed(b, conversationId) !== undefined);
  b.typing(conversationId);
  await lists(a, conversationId, { typing: [bob.userId] });
  await b.send(`u:${alice.userId}`, "written");
  await lists(a, conversationId, { typing: [] });
  // Her gateway goes: she finds another, which is told whom she watches.
  const [gateway] = cluster.info().gateways.filter(({ nodeId }) => {
    return a.state.name === "online" && a.state.gatewayId === nodeId;
  });
  process.kill(gateway!.pid, "SIGKILL");
  await until("the connection is gone", () => a.state.name !== "online");
  expect(isOnline()).toBeUndefined();
  await until("bob is there again", () => isOnline() === true);
  await b.close();
  await until("bob is gone", () => isOnline() === false);
  other();
  expect(isOnline()).toBeUndefined();
});
