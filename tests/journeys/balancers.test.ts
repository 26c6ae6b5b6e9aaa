/** A cluster behind nginx and haproxy, with the examples of `infra/`: one public address for all gateways. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { uuidv7 } from "@carillon/base";
import { findFreePortBlock, findFreePorts, makeCertificates } from "@carillon/local";
import { Command } from "@carillon/protocol";
import {
  type Balancer,
  hasBalancer,
  type Person,
  RawClient,
  startBalancer,
  startTestCluster,
  type TestCluster,
  until,
} from "@carillon/testkit";

const behind = (name: "nginx" | "haproxy") => {
  if (!hasBalancer(name)) console.warn(`the tests behind ${name} are skipped: npm test fetches it where it can`);
  return hasBalancer(name) ? test : test.skip;
};

let directory: string;
let ca: string;
let cluster: TestCluster;
const balancers: Balancer[] = [];
/** Public addresses. */
let shared: { ws: string; tcp: string };
let web: string;
/** The address of haproxy for WebSocket. */
let otherWs: string;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "carillon-balancers-"));
  const { caFile, certFile, keyFile } = await makeCertificates(directory);
  ca = readFileSync(caFile, "utf8");
  const basePort = await findFreePortBlock(50);
  const [nginx, haproxyTcp, haproxyWeb, ...behindProxy] = await findFreePorts(5);
  shared = { ws: `wss://localhost:${nginx}/ws`, tcp: `tls://localhost:${haproxyTcp}` };
  web = `https://localhost:${nginx}`;
  otherWs = `wss://localhost:${haproxyWeb}/ws`;
  const plain = (index: number) => basePort + 10 + 2 * index;
  const tcp = (index: number) => basePort + 11 + 2 * index;
  const listenersOf = (index: number) => [
    { transport: "ws", port: plain(index), advertise: { host: "localhost", port: nginx, path: "/ws", tls: true } },
    {
      transport: "tcp",
      port: tcp(index),
      proxyProtocol: true,
      advertise: { host: "localhost", port: haproxyTcp, tls: true },
    },
    { transport: "ws", port: behindProxy[index], proxyProtocol: true },
  ];
  const nodeEnv = (nodeId: string): Record<string, string> => {
    const [role, number] = nodeId.split("-") as [string, string];
    if (role !== "gateway") return role === "api" ? { CARILLON_API_TRUST_PROXY: "loopback" } : {};
    const listeners = listenersOf(Number(number) - 1).map((each) => ({ host: "127.0.0.1", ...each }));
    return { CARILLON_GATEWAY_LISTENERS: JSON.stringify(listeners), CARILLON_GATEWAY_TRUST_PROXY: "loopback" };
  };
  cluster = await startTestCluster({ basePort, nodeEnv });
  const at = (port: number | undefined) => `127.0.0.1:${port}`;
  const start = async (name: "nginx" | "haproxy", port: number, values: Record<string, string>) => {
    if (!hasBalancer(name)) return;
    const place = path.join(directory, name);
    balancers.push(await startBalancer(name, { directory: place, port, certFile, keyFile, values }));
  };
  const api = at(basePort);
  const gateways = { gateway1: at(plain(0)), gateway2: at(plain(1)) };
  await start("nginx", nginx!, { listen: at(nginx), api, ...gateways });
  await start("haproxy", haproxyTcp!, {
    ...{ listenTcp: at(haproxyTcp), listenHttps: at(haproxyWeb), api },
    ...{ gateway1Tcp: at(tcp(0)), gateway2Tcp: at(tcp(1)) },
    ...{ gateway1Ws: at(behindProxy[0]), gateway2Ws: at(behindProxy[1]) },
  });
}, 300_000);
afterAll(async () => {
  await Promise.all(balancers.map((each) => each.stop()));
  await cluster?.stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

/** Opens a session, and resolves with the gateway that took it at the first attempt. */
async function gatewayAt(
  transport: "ws" | "tcp",
  addresses: typeof shared,
  { token, deviceId }: Person,
): Promise<string> {
  const client = await RawClient.open(transport, addresses, ca);
  const { gatewayId } = await client.connect({ token, deviceId });
  client.close();
  return gatewayId;
}

/** Starts an app of the SDK, which reaches the cluster by its public addresses only. */
function startApp({ token, deviceId }: Person, peer: Person) {
  const program = path.join(__dirname, "fixtures/chat-process.mjs");
  const options = { api: web, token, deviceId, to: `u:${peer.userId}` };
  const child = spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, NODE_EXTRA_CA_CERTS: path.join(directory, "ca.pem") },
  });
  const events = { online: [] as string[], sent: [] as number[], failed: [] as string[], shown: [] as string[] };
  createInterface({ input: child.stdout }).on("line", (line) => {
    for (const [kind, value] of Object.entries(JSON.parse(line))) events[kind as "shown"]?.push(value as string);
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  return {
    ...events,
    say: (text: string) => void child.stdin.write(`${text}\n`),
    end: async () => {
      child.stdin.end();
      await closed;
    },
  };
}

behind("nginx")("the api is reached through nginx, and clients are told one shared address", async () => {
  const person = await cluster.person("alice");
  const answer = await new Promise<string>((resolve, reject) => {
    const headers = { authorization: `Bearer ${person.token}` };
    request(`${web}/v1/route`, { ca, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve(Buffer.concat(chunks).toString());
    })
      .on("error", reject)
      .end();
  });
  const { gateways } = JSON.parse(answer);
  expect(gateways).toHaveLength(2);
  for (const each of gateways) expect(each).toMatchObject(shared);
});

behind("nginx")("whichever gateway the balancer takes keeps the client", async () => {
  const taken = new Set<string>();
  for (let i = 0; i < 6; i++) taken.add(await gatewayAt("ws", shared, await cluster.person("bob")));
  expect([...taken].sort()).toEqual(["gateway-1", "gateway-2"]);
});

behind("nginx")("a path of nginx leads to one gateway", async () => {
  const { token, deviceId } = await cluster.person("carol");
  for (const number of [1, 2]) {
    const ws = shared.ws.replace("/ws", `/gw-${number}/ws`);
    const client = await RawClient.open("ws", { ...shared, ws }, ca);
    expect((await client.connect({ token, deviceId })).gatewayId).toBe(`gateway-${number}`);
    client.close();
  }
});

behind("nginx")(
  "people chat through nginx while the gateway of one is killed: nothing is lost or doubled",
  async () => {
    const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
    const [from, to] = [startApp(alice, bob), startApp(bob, alice)];
    await until("both are online", () => from.online.length > 0 && to.online.length > 0);
    for (let i = 1; i <= 60; i++) {
      from.say(`${i}`);
      if (i === 20) {
        const { pid } = cluster.info().gateways.find(({ nodeId }) => nodeId === from.online[0])!;
        process.kill(pid, "SIGKILL");
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await until("all messages are shown", () => to.shown.length >= 60);
    expect(to.shown).toEqual(Array.from({ length: 60 }, (_, i) => `${i + 1}`));
    await until("all messages are sent", () => from.sent.length === 60);
    expect([from.failed, from.online.length > 1]).toEqual([[], true]);
    await Promise.all([from.end(), to.end()]);
  },
  120_000,
);

behind("haproxy")("people chat through haproxy over TCP and WebSocket", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  expect((await cluster.route(alice))[0]!.tcp).toBe(shared.tcp);
  const [from, to] = [
    await RawClient.open("tcp", shared, ca),
    await RawClient.open("ws", { ...shared, ws: otherWs }, ca),
  ];
  await from.connect({ token: alice.token, deviceId: alice.deviceId });
  await to.connect({ token: bob.token, deviceId: bob.deviceId });
  const message = { clientMsgId: uuidv7(Date.now()), to: `u:${bob.userId}`, contentType: "text", content: "hello" };
  // The gateway that was killed before may have come back this moment.
  const send = async () => (await from.request(Command.SEND, message)).command === Command.SENT;
  await until("it is sent", send);
  await until("it arrives", () => to.events.some(({ event }) => event["content"] === "hello"));
  from.close();
  to.close();
});

behind("haproxy")("the log names the address of a client, not that of haproxy", async () => {
  for (const transport of ["tcp", "ws"] as const) {
    const client = await RawClient.open(transport, { ...shared, ws: otherWs }, ca);
    const remote = `127.0.0.1:${client.socket.localPort}`;
    client.send(Command.CONNECT, { token: "none", deviceId: "d", platform: "other" });
    await client.closed();
    await until("the refusal is logged", async () =>
      (await cluster.logged()).some((line) => line["msg"] === "a CONNECT was refused" && line["remote"] === remote),
    );
  }
});

/** Longer than the idle time-outs of both balancers, s. */
const IDLE_SECONDS = 66;
const HEARTBEAT_SECONDS = 30;

/** Stays connected as a client does that has nothing to say. */
async function idle(client: RawClient): Promise<void> {
  for (let seconds = 0; seconds < IDLE_SECONDS; seconds += HEARTBEAT_SECONDS) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(HEARTBEAT_SECONDS, IDLE_SECONDS - seconds) * 1_000));
    expect((await client.request(Command.PING)).command).toBe(Command.PONG);
  }
}

behind("nginx")(
  "a connection that only has its heartbeats outlives the time-outs of both balancers",
  async () => {
    const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
    const app = startApp(alice, bob);
    const raw: RawClient[] = [];
    if (hasBalancer("haproxy")) {
      raw.push(await RawClient.open("tcp", shared, ca), await RawClient.open("ws", { ...shared, ws: otherWs }, ca));
    }
    for (const client of raw) {
      const { token, deviceId } = await cluster.person("carol");
      await client.connect({ token, deviceId });
    }
    await until("the app is online", () => app.online.length > 0);
    await Promise.all([...raw.map(idle), new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1_000))]);
    const writer = await RawClient.open("ws", shared, ca);
    await writer.connect({ token: bob.token, deviceId: bob.deviceId });
    const message = {
      clientMsgId: uuidv7(Date.now()),
      to: `u:${alice.userId}`,
      contentType: "text",
      content: "awake?",
    };
    await writer.request(Command.SEND, message);
    await until("the message is shown", () => app.shown.length > 0);
    expect([app.shown, app.online.length]).toEqual([["awake?"], 1]);
    await app.end();
    for (const client of [...raw, writer]) client.close();
  },
  120_000,
);
