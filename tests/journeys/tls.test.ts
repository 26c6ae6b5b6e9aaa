/** A cluster that encrypts everything between clients and itself, as `npm start -- --tls` starts it. */
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { connect as connectSecurely } from "node:tls";
import { promisify } from "node:util";
import { uuidv7 } from "@carillon/base";
import { findCheckout, makeCertificates } from "@carillon/local";
import { Command } from "@carillon/protocol";
import { PASSWORD, type RawClient, rawTransports, startTestCluster, type TestCluster, until } from "@carillon/testkit";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster({ tls: true });
}, 300_000);
afterAll(() => cluster?.stop(), 60_000);

const send = (client: RawClient, to: string, content: string) =>
  client.request(Command.SEND, { clientMsgId: uuidv7(Date.now()), to: `u:${to}`, contentType: "text", content });

/** The serial number of the certificate that a server shows to a new connection. */
function serialAt(url: string): Promise<string> {
  const { hostname: host, port } = new URL(url);
  const ca = readFileSync(cluster.info().caFile!);
  return new Promise((resolve, reject) => {
    const socket = connectSecurely({ host, port: Number(port), ca }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

test("all addresses are encrypted, and people chat over every transport", async () => {
  const { api, gateways } = cluster.info();
  expect(api).toMatch(/^https:/);
  for (const { ws, tcp } of gateways)
    expect([ws, tcp]).toEqual([expect.stringMatching(/^wss:/), expect.stringMatching(/^tls:/)]);
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  for (const transport of rawTransports) {
    const [from, to] = [await cluster.online(alice, transport), await cluster.online(bob, transport)];
    expect((await send(from, bob.userId, `over ${transport}`)).command).toBe(Command.SENT);
    await until("it arrives", () => to.events.some(({ event }) => event["content"] === `over ${transport}`));
    from.close();
    to.close();
  }
});

test.each(["ws", "tcp"])("carillon chat trusts the cluster of its data directory, over %s", async (transport) => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const listening = await cluster.online(bob, "ws");
  const root = findCheckout();
  const { directory } = cluster.running;
  const passwordFile = path.join(directory, "password");
  writeFileSync(passwordFile, PASSWORD);
  const program = [path.join(root, "scripts/carillon.mjs"), "chat", alice.userId, bob.userId];
  const args = [...program, "--transport", transport, "--password-file", passwordFile, "--data", directory];
  const chat = promisify(execFile)(process.execPath, args, { cwd: root });
  chat.child.stdin!.end("good morning\n");
  expect((await chat).stdout).toContain("good morning");
  await until("it arrives", () => listening.events.some(({ event }) => event["content"] === "good morning"));
  listening.close();
});

test("certificates are renewed while people write: no connection ends, and new ones see the new certificate", async () => {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [from, to] = [await cluster.online(alice, "tcp"), await cluster.online(bob, "ws")];
  const { api, apis, gateways } = cluster.info();
  const servers = [api, ...gateways.flatMap(({ ws, tcp }) => [ws, tcp])];
  const before = await serialAt(api);
  let isRenewed = false;
  const renewal = (async () => {
    const directory = path.join(cluster.running.directory, "tls");
    rmSync(path.join(directory, "server.pem"));
    await makeCertificates(directory);
    for (const { pid } of [...apis, ...gateways]) process.kill(pid, "SIGHUP");
    for (const server of servers) {
      await until(`${server} has the new certificate`, async () => (await serialAt(server)) !== before);
    }
    isRenewed = true;
  })();
  let sent = 0;
  while (!isRenewed) {
    expect((await send(from, bob.userId, `${++sent}`)).command).toBe(Command.SENT);
    if (sent % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await renewal;
  await until("all messages arrive", () => to.events.length === sent);
  expect([from.isClosed, to.isClosed]).toEqual([false, false]);
});
