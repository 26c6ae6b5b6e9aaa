/** The SDK in a real browser: pages with a strict policy, tabs, lost networks, cleared storages, private windows. */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { PASSWORD, type Person, type RawClient, startTestCluster, type TestCluster, until } from "@carillon/testkit";
import { type Browser, type BrowserContext, chromium, type Page as Tab } from "playwright-core";
import { findChromium } from "./chromium";
import type { Page } from "./page";
import { type PageServer, servePage } from "./page-server";

declare const carillon: Page;

let browser: Browser | undefined;
let cluster: TestCluster;
let server: PageServer;
const contexts: BrowserContext[] = [];

const found = findChromium();
if (found === undefined)
  console.warn("the browser tests are skipped: no Chromium is here; npm test fetches one where it can");
const inBrowser = found === undefined ? test.skip : test;

beforeAll(async () => {
  if (found === undefined) return;
  // The sandbox needs rights of the kernel that a container, and root, may not have.
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];
  const env = { ...process.env, ...found.env } as Record<string, string>;
  browser = await chromium.launch({ executablePath: found.executablePath, args, env });
  // A conversation of 10,000 messages is written by one user, and read at once.
  const perSecond = { MESSAGES: "20000", FRAMES: "40000", PULLS: "20000" };
  // At once as many as in a second: the first hundreds come in one turn, and no time has filled the budget by then.
  const limits = Object.entries(perSecond).flatMap(([what, most]) =>
    ["PER_SECOND", "BURST"].map((bound) => [`CARILLON_LIMITS_${what}_${bound}`, most]),
  );
  cluster = await startTestCluster({ env: Object.fromEntries(limits) });
  const { api, gateways } = cluster.info();
  server = await servePage([api, ...gateways.map(({ ws }) => ws)]);
}, 600_000);

afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await cluster?.stop();
});

/** The forbidden messages in the console of a tab. */
const complaints = new Map<Tab, string[]>();

/** @param trusts whether the browser accepts any certificate: it knows nothing of the authority of a local cluster */
async function newContext(trusts = false): Promise<BrowserContext> {
  const context = await browser!.newContext({ ignoreHTTPSErrors: trusts });
  contexts.push(context);
  return context;
}

async function newTab(context: BrowserContext, url = server.url): Promise<Tab> {
  const tab = await context.newPage();
  const said: string[] = [];
  complaints.set(tab, said);
  tab.on("pageerror", (error) => void said.push(error.message));
  tab.on("console", (message) => {
    if (/Content Security Policy|TrustedHTML|Uncaught/.test(message.text())) said.push(message.text());
  });
  await tab.goto(url);
  return tab;
}

interface Extra {
  password?: string;
  database?: string;
  deviceId?: string;
  token?: { accessToken: string; expiresIn: number };
  failsAt?: string;
}

async function open(tab: Tab, { userId }: Person, extra: Extra = {}): Promise<string> {
  const { api } = cluster.info();
  return tab.evaluate((opening) => carillon.open(opening), { api, userId, database: `chat-${userId}`, ...extra });
}

/** Opens a page of a user who is logged in. */
async function pageOf(context: BrowserContext, person: Person, extra: Extra = {}): Promise<Tab> {
  const tab = await newTab(context);
  await open(tab, person, { password: PASSWORD, ...extra });
  return tab;
}

const stateOf = (tab: Tab) => tab.evaluate(() => carillon.state());
const shows = (tab: Tab, conversationId: string) => tab.evaluate((id) => carillon.shows(id), conversationId);
const told = (tab: Tab) => tab.evaluate(() => carillon.told());
const send = (tab: Tab, to: string, content: string) =>
  tab.evaluate(([target, text]) => carillon.send(target, text), [to, content] as const);

async function online(...tabs: Tab[]): Promise<void> {
  const states = () => Promise.all(tabs.map(stateOf));
  try {
    await until("all are online", async () => (await states()).every(({ name }) => name === "online"), 30_000);
  } catch (cause) {
    throw new Error(JSON.stringify([await states(), await Promise.all(tabs.map(told))]), { cause });
  }
}

async function untilShown(tab: Tab, conversationId: string, expected: string[]): Promise<void> {
  let shown: string[] = [];
  try {
    await until(
      "it is shown",
      async () => {
        shown = await shows(tab, conversationId);
        return JSON.stringify(shown) === JSON.stringify(expected);
      },
      60_000,
    );
  } catch {
    expect(shown).toEqual(expected);
  }
}

/** The api cannot be reached, the page itself can. */
async function withoutApi(context: BrowserContext): Promise<() => Promise<void>> {
  const pattern = `${cluster.info().api}/**`;
  await context.route(pattern, (route) => route.abort());
  return () => context.unroute(pattern);
}

async function couple(): Promise<{ alice: Person; bob: Person; chat: string }> {
  const [alice, bob] = [await cluster.person("alice"), await cluster.person("bob")];
  const [lower, higher] = [alice.userId, bob.userId].sort();
  return { alice, bob, chat: `p:${lower}:${higher}` };
}

inBrowser("two people in two browsers chat under a strict policy; each sees what the other has read", async () => {
  const { alice, bob, chat } = await couple();
  const a = await pageOf(await newContext(), alice);
  const b = await pageOf(await newContext(), bob);
  await online(a, b);
  await send(a, `u:${bob.userId}`, "hello");
  await untilShown(b, chat, ["hello delivered"]);
  await send(b, `u:${alice.userId}`, "good day");
  await untilShown(a, chat, ["hello delivered", "good day delivered"]);
  expect([complaints.get(a), complaints.get(b)]).toEqual([[], []]);
});

inBrowser("A1: what is written without a network is shown, there after a reload, and sent once", async () => {
  const { alice, bob, chat } = await couple();
  const context = await newContext();
  const heal = await withoutApi(context);
  const tab = await pageOf(context, alice);
  await send(tab, `u:${bob.userId}`, "one");
  await send(tab, `u:${bob.userId}`, "two");
  await untilShown(tab, chat, ["one sending", "two sending"]);
  await tab.reload();
  await open(tab, alice, { password: PASSWORD });
  await untilShown(tab, chat, ["one sending", "two sending"]);
  await heal();
  await untilShown(tab, chat, ["one sent", "two sent"]);
  const { body } = await cluster.http("GET", `/v1/conversations/${chat}/messages`, { token: bob.token });
  expect(body.messages.map(({ content }: { content: string }) => content)).toEqual(["one", "two"]);
});

inBrowser("A2: tabs share one connection; any may close; both reload at once without a password", async () => {
  const { alice, bob, chat } = await couple();
  const context = await newContext();
  const [first, second] = [await pageOf(context, alice), await pageOf(context, alice)];
  await online(first, second);
  await send(second, `u:${bob.userId}`, "from the second");
  await untilShown(first, chat, ["from the second sent"]);
  const { body } = await cluster.http("GET", "/v1/sessions", { token: alice.token });
  expect(body.items.filter(({ platform }: { platform: string }) => platform === "web")).toHaveLength(1);
  await Promise.all([first.reload(), second.reload()]);
  await Promise.all([open(first, alice), open(second, alice)]);
  await online(first, second);
  await first.close();
  await send(second, `u:${bob.userId}`, "after the first has gone");
  await untilShown(second, chat, ["from the second sent", "after the first has gone sent"]);
});

inBrowser("A3: offline and online again: nothing fails, and the order stays", async () => {
  const { alice, bob, chat } = await couple();
  const context = await newContext();
  const tab = await pageOf(context, alice);
  await online(tab);
  await context.setOffline(true);
  await until("the page knows", async () => (await stateOf(tab)).name !== "online");
  for (const content of ["1", "2", "3"]) await send(tab, `u:${bob.userId}`, content);
  await untilShown(tab, chat, ["1 sending", "2 sending", "3 sending"]);
  await context.setOffline(false);
  await untilShown(tab, chat, ["1 sent", "2 sent", "3 sent"]);
});

inBrowser("a gateway is killed while both write: all arrives, once, in the same order for both", async () => {
  const { alice, bob, chat } = await couple();
  const a = await pageOf(await newContext(), alice);
  const b = await pageOf(await newContext(), bob);
  await online(a, b);
  const writing = Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      await send(a, `u:${bob.userId}`, `a${i}`);
      await send(b, `u:${alice.userId}`, `b${i}`);
    }),
  );
  const [first] = await cluster.route(alice);
  const { pid } = cluster.info().gateways.find(({ nodeId }) => nodeId === first!.gatewayId)!;
  process.kill(pid!, "SIGKILL");
  await writing;
  const contentsOf = async (tab: Tab) => (await shows(tab, chat)).map((item) => item.split(" ")[0]);
  await until(
    "both show all",
    async () =>
      (await contentsOf(a)).length === 40 &&
      JSON.stringify(await contentsOf(a)) === JSON.stringify(await contentsOf(b)),
  );
  const own = (await contentsOf(b)).filter((content) => content?.startsWith("a"));
  expect(own).toEqual(Array.from({ length: 20 }, (_, i) => `a${i}`));
});

inBrowser("A4: the user clears the site's data under an open page: it goes on, and so does the next life", async () => {
  const { alice, bob, chat } = await couple();
  const context = await newContext();
  const tab = await pageOf(context, alice);
  await online(tab);
  const session = await context.newCDPSession(tab);
  await session.send("Storage.clearDataForOrigin", { origin: new URL(server.url).origin, storageTypes: "indexeddb" });
  expect(
    await tab.evaluate(([to, content]) => carillon.sent(to, content), [`u:${bob.userId}`, "still here"] as const),
  ).toBe(1);
  await untilShown(tab, chat, ["still here sent"]);
  await tab.reload();
  await open(tab, alice, { password: PASSWORD });
  await online(tab);
  expect(await tab.evaluate(([to, content]) => carillon.sent(to, content), [`u:${bob.userId}`, "again"] as const)).toBe(
    2,
  );
});

inBrowser("A5: a stored session needs no password; log-out leaves nothing, and the next life asks for it", async () => {
  const alice = await cluster.person("alice");
  const context = await newContext();
  const tab = await pageOf(context, alice);
  await online(tab);
  await tab.reload();
  await open(tab, alice);
  await online(tab);
  await tab.evaluate(() => carillon.logOut());
  expect(await stateOf(tab)).toMatchObject({ name: "closed" });
  await tab.reload();
  await open(tab, alice);
  await until("it asks for the password", async () => (await stateOf(tab)).error === "NOT_AUTHENTICATED");
});

inBrowser("A6: a new device that is told one message shows the whole page of the conversation", async () => {
  const { alice, bob, chat } = await couple();
  const writer = await cluster.online(bob, "ws");
  for (let i = 1; i <= 102; i++) await write(writer, alice, `${i}`);
  const tab = await pageOf(await newContext(), alice);
  await online(tab);
  await write(writer, alice, "103");
  await until("the page is filled", async () => (await shows(tab, chat)).length >= 50);
  expect((await shows(tab, chat)).at(-1)).toBe("103 delivered");
  writer.close();
});

inBrowser("A7: the app's tokens are renewed before they end, and the connection stays", async () => {
  const alice = await cluster.person("alice");
  const login = { userId: alice.userId, password: PASSWORD, deviceId: "page", platform: "web" };
  const { body } = await cluster.http("POST", "/v1/sessions", { body: login });
  const tab = await newTab(await newContext());
  await open(tab, alice, { token: { accessToken: body.accessToken, expiresIn: 1 } });
  await online(tab);
  await until("it was asked again", async () => (await told(tab)).tokensAsked >= 4);
  expect((await told(tab)).states.filter((name) => name === "waiting")).toEqual([]);
  expect(await stateOf(tab)).toMatchObject({ name: "online" });
});

inBrowser(
  "F1: a listener that rejects is told the same again, the others come meanwhile, and the app is told",
  async () => {
    const { alice, bob } = await couple();
    const tab = await pageOf(await newContext(), alice, { failsAt: "3" });
    await online(tab);
    const writer = await cluster.online(bob, "ws");
    for (let i = 1; i <= 5; i++) await write(writer, alice, `${i}`);
    await until("all were told", async () => (await told(tab)).messages.length === 6);
    const { messages, errors } = await told(tab);
    expect(messages).toEqual(["1", "2", "refused 3", "4", "5", "3"]);
    expect(errors).toEqual([expect.stringContaining("ListenerFailed")]);
    writer.close();
  },
);

inBrowser("F20: what another device cleared while the page was closed is neither shown nor told", async () => {
  const { alice, bob, chat } = await couple();
  const context = await newContext();
  const tab = await pageOf(context, alice);
  await online(tab);
  const writer = await cluster.online(bob, "ws");
  await write(writer, alice, "1");
  await untilShown(tab, chat, ["1 delivered"]);
  await tab.goto("about:blank");
  for (let i = 2; i <= 21; i++) await write(writer, alice, `${i}`);
  const laptop = { token: alice.token, body: { clearedSeq: 20 } };
  expect(await cluster.http("PATCH", `/v1/conversations/${chat}`, laptop)).toMatchObject({ status: 200 });
  await tab.goto(server.url);
  await open(tab, alice);
  await online(tab);
  await write(writer, alice, "22");
  await untilShown(tab, chat, ["21 delivered", "22 delivered"]);
  await until("the last one is told", async () => (await told(tab)).messages.includes("22"));
  expect((await told(tab)).messages).toEqual(["21", "22"]);
  writer.close();
});

inBrowser("a private window that refuses IndexedDB: the page goes on in memory", async () => {
  const { alice, bob, chat } = await couple();
  const context = await newContext();
  const refuse = `IDBFactory.prototype.open = () => { throw new DOMException("refused", "SecurityError"); };`;
  await context.addInitScript({ content: refuse });
  const tab = await newTab(context);
  expect(await open(tab, alice, { password: PASSWORD })).toBe("memory");
  await online(tab);
  await send(tab, `u:${bob.userId}`, "from memory");
  await untilShown(tab, chat, ["from memory sent"]);
});

inBrowser(
  "over https and wss: two people chat",
  async () => {
    const secure = await startTestCluster({ tls: true, counts: { gateway: 1, worker: 1, archiver: 1, api: 1 } });
    const { api, gateways } = secure.info();
    const page = await servePage([api, ...gateways.map(({ ws }) => ws)]);
    try {
      expect([api, gateways[0]!.ws]).toEqual([expect.stringMatching(/^https:/), expect.stringMatching(/^wss:/)]);
      const [alice, bob] = [await secure.person("alice"), await secure.person("bob")];
      const [lower, higher] = [alice.userId, bob.userId].sort();
      const tabs: Tab[] = [];
      for (const { userId } of [alice, bob]) {
        const tab = await newTab(await newContext(true), page.url);
        await tab.evaluate((opening) => carillon.open(opening), { api, userId, password: PASSWORD });
        tabs.push(tab);
      }
      const [a, b] = tabs as [Tab, Tab];
      await online(a, b);
      await send(a, `u:${bob.userId}`, "sealed");
      await untilShown(b, `p:${lower}:${higher}`, ["sealed delivered"]);
      expect([complaints.get(a), complaints.get(b)]).toEqual([[], []]);
    } finally {
      await page.close();
      await secure.stop();
    }
  },
  300_000,
);

inBrowser("10,000 messages of one conversation are loaded and shown in order", async () => {
  const { alice, bob, chat } = await couple();
  const count = 10_000;
  await fill(bob, alice, count);
  const tab = await pageOf(await newContext(), alice);
  await online(tab);
  await until("the conversation is known", async () => (await tab.evaluate(() => carillon.listed())).length === 1);
  expect(await tab.evaluate((id) => carillon.loadAll(id), chat)).toBe(count);
  const numbers = (await shows(tab, chat)).map((item) => Number(item.split(" ")[0]));
  expect(numbers.every((number, i) => number === i + 1)).toBe(true);
});

/** Many messages from one to another, in order, some hundreds under way at a time. */
async function fill(from: Person, to: Person, count: number): Promise<void> {
  const writer = await cluster.online(from, "ws");
  let [written, answered] = [0, 0];
  await new Promise<void>((resolve, reject) => {
    const writeMore = () => {
      for (; written < count && written - answered < 300; written++) {
        const message = {
          clientMsgId: uuidv7(Date.now()),
          to: `u:${to.userId}`,
          contentType: "text",
          content: `${written + 1}`,
        };
        writer.send(Command.SEND, message);
      }
    };
    writer.listen(({ command, payload }) => {
      // A gateway disconnects a client that acknowledges nothing.
      if (command === Command.DELIVER) {
        writer.send(Command.RECEIVED, { epoch: payload.epoch, inboxSeq: payload.events.at(-1)[0] }, 0);
      }
      if (command === Command.ERROR) reject(new Error(JSON.stringify(payload)));
      if (command === Command.SENT && ++answered === count) resolve();
      writeMore();
    }, reject);
    writeMore();
  });
  writer.close();
}

async function write(writer: RawClient, to: Person, content: string): Promise<void> {
  const message = { clientMsgId: uuidv7(Date.now()), to: `u:${to.userId}`, contentType: "text", content };
  // A gateway that was killed by another test may have come back this moment.
  await until("it is sent", async () => {
    const answer = await writer.request(Command.SEND, message);
    if (answer.command !== Command.SENT && answer.payload.name !== "BUSY") throw new Error(JSON.stringify(answer));
    return answer.command === Command.SENT;
  });
}
