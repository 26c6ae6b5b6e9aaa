/** The SDK comes back: as a new process after a kill, after Redis was wiped, after a long absence, on a second device. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { sleep } from "@carillon/base";
import {
  CarillonClient,
  type ClientOptions,
  type ClientStorage,
  type ConversationRow,
  type Event,
  type FileStorage,
  type Link,
  openFileStorage,
  type Transport,
  tcpTransport,
} from "@carillon/client";
import { PASSWORD, type Person, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { Redis } from "ioredis";

let cluster: TestCluster;
let folder: string;
const clients: CarillonClient[] = [];
const storages: FileStorage[] = [];
const children: ChildProcess[] = [];
const links: Link[] = [];
/** Gateways whose hosts are gone: they close nothing and do not answer. */
const vanished = new Set<string>();
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "carillon-sdk-"));
  cluster = await startTestCluster();
}, 300_000);
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(storages.splice(0).map((storage) => storage.close()));
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

interface Watched {
  shown: Event[];
  resyncs: ConversationRow[][];
  gaps: object[];
}

async function online(person: Person, storage?: ClientStorage): Promise<CarillonClient & Watched> {
  const { userId, deviceId } = person;
  const options = { api: cluster.info().api, platform: "other", deviceId, credentials: { userId, password: PASSWORD } };
  const transport: Transport = {
    open: async (address, timeoutMs) => {
      const isGone = () => vanished.has(address.gatewayId);
      if (isGone()) {
        await sleep(timeoutMs);
        throw new Error(`${address.tcp} did not answer in ${timeoutMs} ms`);
      }
      const link = await tcpTransport.open(address, timeoutMs);
      links.push(link);
      return {
        attach: ({ onFrame, onClosed }) =>
          link.attach({ onFrame: (frame) => void (isGone() || onFrame(frame)), onClosed }),
        send: (frames) => void (isGone() || link.send(frames)),
        close: () => link.close(),
      };
    },
  };
  const client = new CarillonClient({ ...options, transport, storage } as ClientOptions<"ws" | "tcp">);
  const watched: Watched = { shown: [], resyncs: [], gaps: [] };
  client.on("message", (event) => void watched.shown.push(event));
  client.on("resync", (rows) => void watched.resyncs.push(rows));
  client.on("gap", (gap) => void watched.gaps.push(gap));
  clients.push(client);
  await client.connect();
  return Object.assign(client, watched);
}

async function stored(person: Person): Promise<FileStorage> {
  const storage = await openFileStorage(path.join(folder, person.userId, person.deviceId));
  storages.push(storage);
  return storage;
}

const seqs = ({ shown }: Watched, conversationId: string) =>
  shown.filter((event) => event.conversationId === conversationId).map(({ seq }) => seq);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** An app in a process of its own. */
function app(person: Person, to: string, contents: string[]) {
  const { userId, deviceId } = person;
  const where = path.join(folder, userId, deviceId);
  const order = { api: cluster.info().api, userId, password: PASSWORD, deviceId, folder: where, to, contents };
  const child = fork(path.join(__dirname, "fixtures/sdk-process.cjs"), [JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  children.push(child);
  let output = "";
  child.stdout!.on("data", (chunk: Buffer) => {
    output += chunk;
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const lines = () =>
    output
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  return { child, ended, lines };
}

test("a client is killed with messages in its outbox: the next life sends the rest, each is stored once", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const b = await online(bob);
  const contents = numbers(1, 300).map(String);
  const shown = new Set<number>();
  for (const enough of [10, 60, undefined]) {
    const life = app(alice, `u:${bob.userId}`, enough === 10 ? contents : []);
    const here = () => life.lines().flatMap((line) => ("shown" in line ? [line.shown as number] : []));
    if (enough === undefined) {
      await until("all at the other side", () => b.shown.length >= 300, 30_000);
      await until("own messages", () => new Set([...shown, ...here()]).size === 300, 30_000);
    } else await until("some to be sent", () => life.lines().filter((line) => "sent" in line).length >= enough, 30_000);
    life.child.kill("SIGKILL");
    await life.ended;
    expect(life.lines().filter((line) => "failed" in line)).toEqual([]);
    // Only what a killed life had not yet stored as shown comes again in the next one.
    expect(here()).toEqual([...new Set(here())].sort((one, other) => one - other));
    for (const seq of here()) shown.add(seq);
  }
  expect(b.shown.map(({ content }) => content)).toEqual(contents);
}, 120_000);

test("the host of a gateway vanishes without a word while they write: nothing counts as not sent, the order is kept", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await online(alice), await online(bob)];
  const failed: unknown[] = [];
  a.on("failed", (failure) => void failed.push(failure));
  const sending: Promise<unknown>[] = [];
  const write = setInterval(() => sending.push(a.send(`u:${bob.userId}`, `${sending.length}`)), 100);
  await until("some to be sent", () => b.shown.length >= 10);
  const { state } = a;
  if (state.name !== "online") throw new Error(`alice is ${state.name}`);
  vanished.add(state.gatewayId);
  await until("another gateway", () => a.state.name === "online" && a.state.gatewayId !== state.gatewayId, 150_000);
  clearInterval(write);
  await Promise.all(sending);
  await until("all to be shown", () => b.shown.length >= sending.length, 150_000);
  vanished.clear();
  expect(failed).toEqual([]);
  expect(b.shown.map(({ content }) => Number(content))).toEqual(numbers(0, sending.length - 1));
}, 400_000);

/** Two people write while Redis is wiped three times. @param after what happens then to their connections */
async function wipe(after: () => void, patienceMs: number): Promise<void> {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await online(alice, await stored(alice)), await online(bob, await stored(bob))];
  const redis = new Redis(cluster.info().redis.url);
  const sending: Promise<{ seq: number; conversationId: string }>[] = [];
  for (let i = 1; i <= 400; i++) {
    sending.push(a.send(`u:${bob.userId}`, `${i}`));
    if (i % 100 === 0) await Promise.all(sending.slice(0, -20));
    if (i % 100 === 0 && i < 400) {
      await redis.flushall();
      after();
    }
  }
  redis.disconnect();
  const { conversationId } = (await Promise.all(sending))[0]!;
  for (const client of [a, b]) {
    await until("all", () => client.shown.length >= 400, patienceMs);
    expect(seqs(client, conversationId)).toEqual(numbers(1, 400));
    expect(client.shown.map(({ content }) => content)).toEqual(numbers(1, 400).map(String));
    expect(client.gaps).toEqual([]);
  }
  expect(b.resyncs.length).toBeGreaterThan(0);
}

test("Redis is wiped while they write and they reconnect: a resync, nothing is lost, doubled or out of order", () =>
  wipe(() => {
    for (const link of links.splice(0)) link.close();
  }, 60_000));

test("Redis is wiped while they write and their connections stay open", () => wipe(() => {}, 60_000));

test("1,100 messages while away are more than an inbox keeps: one resync, and all of them follow", async () => {
  const [alice, bob, carol] = [
    await cluster.person("alice"),
    await cluster.person("bob"),
    await cluster.person("carol"),
  ];
  const a = await online(alice);
  const storage = await stored(bob);
  const before = await online(bob, storage);
  const { conversationId } = await a.send(`u:${bob.userId}`, "1");
  await until("the first", () => before.shown.length === 1);
  await before.close();
  for (let from = 2; from <= 1_101; from += 50) {
    await Promise.all(numbers(from, from + 49).map((i) => a.send(`u:${bob.userId}`, `${i}`)));
  }
  const c = await online(carol);
  const begun = await c.send(`u:${bob.userId}`, "we have not met");
  const after = await online(bob, storage);
  await a.send(`u:${bob.userId}`, "1102");
  await until("all", () => after.shown.length >= 1_102);
  expect(seqs(after, conversationId)).toEqual(numbers(2, 1_102));
  expect(seqs(after, begun.conversationId)).toEqual([1]);
  expect([after.resyncs.length, after.gaps]).toEqual([1, []]);
  await after.close();
  // The shown events are stored, so the next life has nothing to ask for.
  const later = await online(bob, storage);
  await a.send(`u:${bob.userId}`, "1103");
  await until("the next", () => later.shown.length > 0);
  expect([later.shown.map(({ content }) => content), later.resyncs]).toEqual([["1103"], []]);
}, 180_000);

test("a tablet that is away at times shows the events that it missed, once, and none from before its first log-in", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, phone] = [await online(alice), await online(bob)];
  const { conversationId } = await a.send(`u:${bob.userId}`, "1");
  const tablet = { ...bob, deviceId: "tablet" };
  const storage = await stored(tablet);
  const shown: number[] = [];
  let [last, resyncs] = [1, 0];
  for (let visit = 1; visit <= 3; visit++) {
    const t = await online(tablet, storage);
    if (visit === 1) await until("the conversations", () => t.resyncs.length === 1);
    await phone.send(`u:${alice.userId}`, `${++last}`);
    await until("the live one", () => t.shown.at(-1)?.content === `${last}`);
    shown.push(...seqs(t, conversationId));
    resyncs += t.resyncs.length;
    await t.close();
    await Promise.all(numbers(last + 1, last + 30).map((i) => a.send(`u:${bob.userId}`, `${i}`)));
    last += 30;
  }
  expect(shown).toEqual(numbers(2, last - 30));
  expect(resyncs).toBe(1);
  await until("all on the phone", () => phone.shown.length >= last);
  expect(seqs(phone, conversationId)).toEqual(numbers(1, last));
});

test("the phone does not show messages that the laptop cleared while the phone was away, but shows later ones", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, laptop] = [await online(alice), await online({ ...bob, deviceId: "laptop" })];
  const storage = await stored(bob);
  const before = await online(bob, storage);
  const { conversationId } = await a.send(`u:${bob.userId}`, "1");
  await until("the first", () => before.shown.length === 1);
  await before.close();
  await Promise.all(numbers(2, 21).map((i) => a.send(`u:${bob.userId}`, `${i}`)));
  await until("all on the laptop", () => laptop.shown.length === 21);
  const { clearedSeq } = await laptop.conversationSettings(conversationId, { clearedSeq: 20 });
  const after = await online(bob, storage);
  await a.send(`u:${bob.userId}`, "22");
  await until("what follows", () => after.shown.length >= 2);
  expect([clearedSeq, seqs(after, conversationId), after.gaps, after.resyncs]).toEqual([20, [21, 22], [], []]);
  await after.close();
  // It was acknowledged like all else.
  const later = await online(bob, storage);
  await a.send(`u:${bob.userId}`, "23");
  await until("the next", () => later.shown.length > 0);
  expect(seqs(later, conversationId)).toEqual([23]);
});
