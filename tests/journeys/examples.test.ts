/** The examples, run as their pages say, against a cluster at another address. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { randomId } from "@carillon/base";
import { CarillonClient } from "@carillon/client";
import { findFreePortBlock } from "@carillon/local";
import { privateConversationId } from "@carillon/protocol";
import { startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { runCarillon } from "./fixtures/run-carillon";

const root = path.join(__dirname, "..", "..");
let cluster: TestCluster;
let folder: string;
const running: ChildProcess[] = [];
const clients: CarillonClient[] = [];
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "carillon-examples-"));
  cluster = await startTestCluster();
}, 300_000);
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const child of running.splice(0)) child.kill("SIGKILL");
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** Lines of the blocks of code of an example's page. */
function commandsOf(example: string): string[] {
  const page = readFileSync(path.join(root, "examples", example, "README.md"), "utf8");
  return [...page.matchAll(/^```\n([\s\S]*?)^```$/gm)].flatMap(([, block]) => block!.trim().split("\n"));
}

/** The command of a page that begins so: it must be there, and is taken as it stands. */
function command(example: string, beginning: string): string {
  const found = commandsOf(example).find((line) => line.startsWith(beginning));
  if (found === undefined) throw new Error(`examples/${example}/README.md has no command "${beginning}..."`);
  return found;
}

interface Started {
  child: ChildProcess;
  output(): string;
  ended: Promise<number | null>;
}

/** Runs a command in a shell of the checkout. */
function start(line: string, env: Record<string, string> = {}): Started {
  // `exec`: the signal that ends it reaches the program itself.
  const child = spawn("sh", ["-c", `exec ${line}`], {
    cwd: root,
    env: { ...process.env, CARILLON_API: cluster.info().api, ...env },
  });
  running.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      output += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { child, output: () => output, ended };
}

const says = ({ output }: Started, text: string) =>
  until(`it says "${text}"`, () => output().includes(text)).catch((error: Error) => {
    throw new Error(`${error.message}; it said: ${output()}`);
  });

test("hello prints what its page shows", async () => {
  const hello = start(command("hello", "node "));
  expect(await hello.ended).toBe(0);
  const shown = commandsOf("hello").filter((line) => /^(alice|bob)\s/.test(line));
  expect(shown).toHaveLength(4);
  const printed = hello.output().trim().split("\n");
  expect(printed.map((line) => line.replace(/alice-\w+/, "alice-..."))).toEqual(shown);
});

test("echo-bot answers each message once, also messages from the time when it was dead, and marks them as read", async () => {
  const bot = `echo-${randomId(8)}`;
  const alice = await cluster.person("alice");
  const env = { BOT_USER: bot, BOT_FOLDER: path.join(folder, bot) };
  const line = command("echo-bot", "node ");
  const { deviceId, token } = alice;
  const client = new CarillonClient({ api: cluster.info().api, deviceId, platform: "other", token });
  clients.push(client);
  await client.connect();
  const say = (...contents: string[]) => Promise.all(contents.map((content) => client.send(`u:${bot}`, content)));
  const history = async () => (await client.history(privateConversationId(alice.userId, bot), { limit: 200 })).messages;
  const answers = async () =>
    (await history()).filter(({ senderId }) => senderId === bot).map(({ content }) => content);
  let life = start(line, env);
  await says(life, "online");
  await say("one", "two");
  await until("two answers", async () => (await answers()).length === 2);
  // The bot is killed while it answers: it repeats answers that it had not noted, and the server recognises them.
  const burst = say(...Array.from({ length: 20 }, (_, i) => `burst ${i}`));
  await until("it has begun to answer", async () => (await answers()).length > 4);
  life.child.kill("SIGKILL");
  await life.ended;
  await burst;
  await say("while it was dead");
  life = start(line, env);
  await until("all answers", async () => (await answers()).length >= 23);
  const said = (await history()).filter(({ senderId }) => senderId !== bot).map(({ content }) => content);
  expect((await answers()).sort()).toEqual(said.sort());
  await until("all is read", async () => ((await client.conversations())[0]?.peerReadSeq ?? 0) >= 23);
  life.child.kill("SIGTERM");
  expect(await life.ended).toBe(0);
});

test("back-end: a shop signs its customer in and tells them of their order, once", async () => {
  const port = await findFreePortBlock(1);
  const shopAddress = `http://127.0.0.1:${port}`;
  const [, ...keyCommand] = command("back-end", "npx carillon").split(" ");
  const { document } = await runCarillon(cluster, ...keyCommand.slice(1));
  const serverLine = command("back-end", "CARILLON_KEY=").replace(/^CARILLON_KEY=\S+ /, "");
  expect(serverLine).toMatch(/^node /);
  const shop = start(serverLine, { CARILLON_KEY: document.key, SHOP: shopAddress });
  await says(shop, `the shop is open at ${shopAddress}`);
  const customer = start(command("back-end", "node examples/back-end/customer.mjs"), { SHOP: shopAddress });
  await says(customer, "carol is connected");
  const order = command("back-end", "curl ").replace("http://127.0.0.1:8700", shopAddress);
  for (let i = 0; i < 2; i++) {
    const shipped = start(order);
    expect(await shipped.ended).toBe(0);
    expect(shipped.output()).toContain('{"seq":1}');
  }
  await says(customer, "shop: your order order-7 is on its way");
  expect(customer.output().match(/order-7/g)).toHaveLength(1);
  customer.child.kill("SIGTERM");
  expect(await customer.ended).toBe(0);
});
