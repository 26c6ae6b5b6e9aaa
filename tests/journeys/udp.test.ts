/**
 * Devices over UDP: the same promises as over TCP, on networks that lose, double and turn around datagrams, and through changes of
 * the device's address. Strangers without a ticket hear nothing.
 */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { uuidv7 } from "@carillon/base";
import { CarillonClient, type Event, MemoryStorage, type Transport, udpTransport } from "@carillon/client";
import { CloseCode, Command, encodeFrame } from "@carillon/protocol";
import {
  PASSWORD,
  type Person,
  RawClient,
  startTestCluster,
  type TestCluster,
  type UdpPlace,
  UdpProxy,
  until,
} from "@carillon/testkit";
import { Direction, PartsWriter, readTicket, seal, udp, unseal } from "@carillon/udp";

let cluster: TestCluster;
const clients: CarillonClient[] = [];
const proxies: UdpProxy[] = [];
beforeAll(async () => {
  cluster = await startTestCluster();
}, 300_000);
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const proxy of proxies.splice(0)) proxy.close();
});
afterAll(() => cluster?.stop(), 60_000);

/** Longer than any recovery on such a network, ms. */
const PATIENCE_MS = 120_000;
const BAD = { loss: 0.2, doubled: 0.1, delayMs: 50 };

/** The networks of one device: all its datagrams pass a proxy, one for each gateway. */
class Networks {
  private readonly byAddress = new Map<string, UdpProxy>();

  constructor(private readonly seed: number) {}

  readonly transport: Transport = {
    open: async (address, timeoutMs, api) => {
      let proxy = this.byAddress.get(address.udp!);
      if (proxy === undefined) {
        proxy = await UdpProxy.open(address.udp!, this.seed);
        this.byAddress.set(address.udp!, proxy);
        proxies.push(proxy);
        proxy.become(BAD);
      }
      return udpTransport.open({ ...address, udp: proxy.address }, timeoutMs, api);
    },
  };

  get all(): UdpProxy[] {
    return [...this.byAddress.values()];
  }
}

interface Device {
  client: CarillonClient;
  networks: Networks;
  shown: Event[];
  states: string[];
}

async function device(person: Person, seed: number, storage = new MemoryStorage()): Promise<Device> {
  const networks = new Networks(seed);
  const { userId, deviceId } = person;
  const client = new CarillonClient({
    ...{ api: cluster.info().api, deviceId, platform: "other", credentials: { userId, password: PASSWORD } },
    ...{ storage, transport: networks.transport },
  });
  const [shown, states]: [Event[], string[]] = [[], []];
  client.on("message", (event) => void shown.push(event));
  client.on("state", ({ name }) => void states.push(name));
  clients.push(client);
  await client.connect();
  return { client, networks, shown, states };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const seqs = ({ shown }: Device) => shown.map(({ seq }) => seq);
const of = ({ shown }: Device, senderId: string) =>
  shown.filter((event) => event.senderId === senderId).map(({ content }) => content);

test("20 % lost, 10 % doubled, turned around by 50 ms, two changes of address: all comes, once, in one order", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await device(alice, 1), await device(bob, 2)];
  // An answer is what the message has become for good.
  const sending = numbers(30).flatMap((i) => [
    a.client.send(`u:${bob.userId}`, `a${i}`),
    b.client.send(`u:${alice.userId}`, i === 15 ? "鐘".repeat(5_000) : `b${i}`),
  ]);
  for (const moved of [10, 40]) {
    await until("some are there", () => a.shown.length >= moved, PATIENCE_MS);
    for (const proxy of a.networks.all) proxy.changeAddresses();
  }
  const sent = await Promise.all(sending);
  for (const each of [a, b]) await until("all are there", () => each.shown.length >= 60, PATIENCE_MS);
  expect(sent.map(({ seq }) => seq).sort((x, y) => x - y)).toEqual(numbers(60));
  for (const each of [a, b]) {
    expect(seqs(each)).toEqual(numbers(60));
    expect(of(each, alice.userId)).toEqual(numbers(30).map((i) => `a${i}`));
    expect(of(each, bob.userId)).toEqual(numbers(30).map((i) => (i === 15 ? "鐘".repeat(5_000) : `b${i}`)));
  }
  expect(b.shown).toEqual(a.shown);
  // The changes of address ended no session.
  expect(a.states.filter((name) => name !== "connecting")).toEqual(["online"]);
  const lost = [...a.networks.all, ...b.networks.all].reduce((sum, proxy) => sum + proxy.lost, 0);
  expect(lost).toBeGreaterThan(20);
}, 300_000);

test("a device that was offline receives what it missed; a killed gateway loses nothing", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const storage = new MemoryStorage();
  const a = await device(alice, 3);
  const before = await device(bob, 4, storage);
  await a.client.send(`u:${bob.userId}`, "1");
  await until("the first", () => before.shown.length === 1, PATIENCE_MS);
  await before.client.close();
  await Promise.all(numbers(20).map((i) => a.client.send(`u:${bob.userId}`, `${i + 1}`)));
  const after = await device(bob, 5, storage);
  await until("what was missed", () => after.shown.length >= 20, PATIENCE_MS);
  const [gateway] = await cluster.route(alice);
  const sending = numbers(10).map((i) => a.client.send(`u:${bob.userId}`, `${i + 21}`));
  const { pid } = cluster.info().gateways.find(({ nodeId }) => nodeId === gateway!.gatewayId)!;
  process.kill(pid!, "SIGKILL");
  await Promise.all(sending);
  await until("the last", () => after.shown.length >= 30, PATIENCE_MS);
  expect(seqs(after)).toEqual(numbers(30).map((i) => i + 1));
}, 300_000);

test("a network that is silent for a while ends nothing that it need not end", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await device(alice, 6), await device(bob, 7)];
  await b.client.send(`u:${alice.userId}`, "before");
  for (const proxy of a.networks.all) proxy.silence();
  const sending = Promise.all([
    a.client.send(`u:${bob.userId}`, "from the tunnel"),
    b.client.send(`u:${alice.userId}`, "into the tunnel"),
  ]);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  for (const proxy of a.networks.all) proxy.heal();
  await sending;
  await until("all are there", () => a.shown.length === 3 && b.shown.length === 3, PATIENCE_MS);
  expect(a.shown).toEqual(b.shown);
}, 300_000);

async function ticketOf(person: Person): Promise<UdpPlace> {
  const { status, body } = await cluster.http("POST", "/v1/udp-tickets", { token: person.token, body: {} });
  expect([status, body.expiresIn]).toEqual([201, 60]);
  return body;
}

/** A socket that keeps what the gateway sends to it, as parts of one ticket. */
async function ear(place: UdpPlace) {
  const { address } = place;
  const { ticketId, key } = readTicket(place);
  const socket = createSocket("udp4");
  const heard: Buffer[] = [];
  socket.on("message", (datagram) => void heard.push(datagram));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const [host, port] = address.split(":") as [string, string];
  const send = (datagram: Uint8Array) =>
    new Promise<void>((resolve) => socket.send(datagram, Number(port), host, () => resolve()));
  let number = 0;
  return {
    heard,
    send,
    say: async (write: (writer: PartsWriter) => void, under = key) => {
      const writer = new PartsWriter();
      write(writer);
      const datagram = seal(Direction.TO_GATEWAY, ticketId, under, number++, writer.parts);
      await send(datagram);
      return datagram;
    },
    understands: (datagram: Buffer) => unseal(Direction.TO_CLIENT, key, datagram) !== undefined,
    close: () => socket.close(),
  };
}

const challenge = (writer: PartsWriter) => writer.challenge(Buffer.alloc(udp.challengeBytes));
const pause = () => new Promise((resolve) => setTimeout(resolve, 300));

async function dropped(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { ws } of cluster.info().gateways) {
    const answer = await fetch(`${ws.replace("ws://", "http://").replace(/\/ws$/, "")}/metrics`);
    for (const [, why, count] of (await answer.text()).matchAll(
      /^carillon_dropped_datagrams_total\{.*why="([^"]+)".*\} (\d+)$/gm,
    )) {
      counts[why!] = (counts[why!] ?? 0) + Number(count);
    }
  }
  return counts;
}

test("a datagram that does not open gets no answer: no ticket, another key, sent before; each is counted", async () => {
  const mallory = await cluster.person("mallory");
  const ticket = await ticketOf(mallory);
  const before = await dropped();
  const socket = await ear(ticket);
  for (const length of [0, 1, 16, 33, 40, 1_200, 1_400]) await socket.send(randomBytes(length));
  await socket.say(challenge, Buffer.alloc(udp.keyBytes));
  await pause();
  expect(socket.heard).toEqual([]);
  // The right key still works, once.
  const genuine = await socket.say(challenge);
  await until("the answer", () => socket.heard.length >= 1);
  expect(socket.heard.every(socket.understands)).toBe(true);
  await pause();
  const count = socket.heard.length;
  await socket.send(genuine);
  await pause();
  expect(socket.heard).toHaveLength(count);
  const after = await dropped();
  const more = (why: string) => (after[why] ?? 0) - (before[why] ?? 0);
  expect([more("no-ticket"), more("forged"), more("repeated")]).toEqual([7, 1, 1]);
  socket.close();
});

test("an address that sends nothing back gets at most three times what came from it", async () => {
  const mallory = await cluster.person("mallory");
  const ticket = await ticketOf(mallory);
  const socket = await ear(ticket);
  // CONNECT without a token: an error and KICKED would be the answer, and they are repeated while nobody acknowledges them.
  let sent = 0;
  const frame = encodeFrame(Command.CONNECT, 1, { token: "none", deviceId: mallory.deviceId, platform: "other" });
  sent += (await socket.say((writer) => writer.data(0, frame))).length;
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const heard = socket.heard.reduce((sum, { length }) => sum + length, 0);
  expect(heard).toBeGreaterThan(0);
  expect(heard).toBeLessThanOrEqual(3 * sent);
  socket.close();
});

test("a ticket is good for its own device only, and for one connection", async () => {
  const [alice, mallory] = [await cluster.person("alice"), await cluster.person("mallory")];
  const route = (await cluster.route(alice))[0]!;
  const stolen = await RawClient.open("udp", { ...route, ticket: await ticketOf(mallory) });
  stolen.send(Command.CONNECT, { token: alice.token, deviceId: alice.deviceId, platform: "other" });
  expect((await stolen.nextOf(Command.ERROR)).payload).toMatchObject({ name: "NOT_AUTHENTICATED" });
  expect(await stolen.closed()).toBe(CloseCode.NOT_AUTHENTICATED);
  const ticket = await ticketOf(alice);
  const once = await RawClient.open("udp", { ...route, ticket });
  await once.connect({ token: alice.token, deviceId: alice.deviceId });
  once.close();
  await pause();
  const twice = await ear(ticket);
  await twice.say(challenge);
  await pause();
  expect(twice.heard).toEqual([]);
  twice.close();
  // A device has one unused ticket: the last.
  const [former] = [await ticketOf(alice), await ticketOf(alice)];
  const early = await ear(former!);
  await early.say(challenge);
  await pause();
  expect(early.heard).toEqual([]);
  early.close();
});

test("a ticket of a gateway that is not there is BUSY; without a token there is none", async () => {
  const alice = await cluster.person("alice");
  const ask = (token: string | undefined, body: object) =>
    cluster.http("POST", "/v1/udp-tickets", { ...(token === undefined ? {} : { token }), body });
  expect(await ask(alice.token, { gatewayId: "gateway-99" })).toMatchObject({ status: 503, body: { name: "BUSY" } });
  expect(await ask(alice.token, { gatewayId: "../x" })).toMatchObject({ status: 400 });
  expect(await ask(undefined, {})).toMatchObject({ status: 401 });
});

test("a flood of datagrams without a ticket disturbs nobody, and is counted", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await cluster.online(alice, "udp"), await cluster.online(bob, "udp")];
  const before = (await dropped())["no-ticket"] ?? 0;
  const socket = await ear(await ticketOf(alice));
  const rubbish = Array.from({ length: 64 }, () => randomBytes(100));
  let [flooding, sent] = [true, 0];
  const flood = (async () => {
    for (; flooding; sent += rubbish.length) {
      await Promise.all(rubbish.map((each) => socket.send(each)));
      // A datagram leaves at once: without this, nothing else in this process would have its turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  for (const i of numbers(100)) {
    const message = { to: `u:${bob.userId}`, contentType: "text", content: `${i}` };
    const answer = await a.request(Command.SEND, { clientMsgId: uuidv7(Date.now()), ...message });
    expect(answer.payload).toMatchObject({ seq: i });
  }
  flooding = false;
  await flood;
  expect(socket.heard).toEqual([]);
  // Datagrams that do not fit into the kernel's buffer are lost before the gateway could count them.
  expect((await dropped())["no-ticket"]! - before).toBeGreaterThan(sent / 100);
  for (const each of [a, b]) each.close();
  socket.close();
});
