/** A cluster whose links to NATS, Redis and MySQL are encrypted: the servers refuse plain text, and the processes other certificates. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { uuidv7 } from "@carillon/base";
import { makeCertificates, type ServerOptions, startMariadb, startNats, startRedis } from "@carillon/local";
import { Command } from "@carillon/protocol";
import { startTestCluster, type TestCluster } from "@carillon/testkit";

const folder = mkdtempSync(path.join(tmpdir(), "carillon-tls-stores-"));
const servers: { stop(): Promise<unknown> }[] = [];
let cluster: TestCluster;
let env: Record<string, string>;
/** Settings that trust the authority of the stores. */
let trusting: Record<string, string>;

beforeAll(async () => {
  const tls = await makeCertificates(path.join(folder, "tls"));
  const options = (name: string): ServerOptions => ({ directory: path.join(folder, name), tls });
  const [nats, redis, mysql] = await Promise.all([
    startNats(options("nats")),
    startRedis(options("redis")),
    startMariadb(options("mysql")),
  ]);
  servers.push(nats, redis, mysql);
  env = Object.fromEntries(["NATS", "REDIS", "MYSQL"].map((store) => [`CARILLON_${store}_TLS_ENABLED`, "true"]));
  env["CARILLON_NATS_MONITOR"] = nats.monitor;
  const files = ["NATS", "REDIS", "MYSQL"].map((store) => [`CARILLON_${store}_TLS_CA_FILE`, tls.caFile]);
  trusting = { ...env, ...Object.fromEntries(files) };
  const external = { nats: [nats.url], redis: redis.url, mysql: mysql.url };
  cluster = await startTestCluster({ external, env: trusting });
}, 300_000);

afterAll(async () => {
  await cluster?.stop();
  await Promise.all(servers.map((server) => server.stop()));
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

function carillon(settings: Record<string, string>, ...args: string[]) {
  const program = path.join(__dirname, "../../apps/cli/dist/main.js");
  const config = path.join(cluster.running.directory, "carillon.json");
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    env: { ...process.env, CARILLON_CONFIG: config, NODE_EXTRA_CA_CERTS: "", ...settings },
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, output: stdout + stderr };
}

test("people chat, and what they wrote is in the archive", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [a, b] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  const message = { clientMsgId: uuidv7(Date.now()), to: `u:${bob.userId}`, contentType: "text", content: "sealed" };
  const sent = await a.request(Command.SEND, message);
  expect(sent.payload).toMatchObject({ seq: 1 });
  await b.until("the message", () => b.events.length === 1);
  const { conversationId } = sent.payload;
  const { body } = await cluster.http("GET", `/v1/conversations/${conversationId}/messages`, { token: bob.token });
  expect(body.messages).toMatchObject([{ content: "sealed" }]);
  for (const client of [a, b]) client.close();
});

test("the operator's commands reach all stores, and the doctor finds nothing that is plain", () => {
  const { status, output } = carillon(trusting, "doctor", "--json");
  expect(output).toContain('{"name":"encryption","result":"ok"');
  expect(status).toBe(0);
});

test("without encryption, or without trust in the authority, nobody connects", () => {
  const plain = { CARILLON_NATS_MONITOR: env["CARILLON_NATS_MONITOR"]! };
  expect(carillon(plain, "nodes").status).not.toBe(0);
  const strange = carillon(env, "doctor", "--json");
  expect(strange.status).not.toBe(0);
  expect(strange.output).toMatch(/certificate|self-signed|unable to verify/i);
});
