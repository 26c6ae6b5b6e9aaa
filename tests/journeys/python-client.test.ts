/**
 * docs/protocol.md is enough to write a client: the client in python-client/ shares no code with Carillon, knows nothing but
 * that page, and chats here with another Python client and with Carillon's own code.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { randomId, uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import { PASSWORD, type Person, type RawClient, startTestCluster, type TestCluster } from "@carillon/testkit";

const folder = path.join(__dirname, "python-client");
const STANDARD =
  /^(argparse|base64|hashlib|json|os|random|select|socket|struct|sys|time|urllib\.(error|parse|request))$/;

test("the Python client needs nothing but the standard library and its own files", () => {
  const files = readdirSync(folder).filter((name) => name.endsWith(".py"));
  const own = files.map((name) => name.replace(/\.py$/, ""));
  const imports = files.flatMap((name) =>
    [...readFileSync(path.join(folder, name), "utf8").matchAll(/^\s*(?:from|import) ([\w.]+)/gm)].map(
      ([, module]) => module!,
    ),
  );
  expect(imports.length).toBeGreaterThan(10);
  expect(imports.filter((module) => !STANDARD.test(module) && !own.includes(module))).toEqual([]);
});

const python = spawnSync("python3", ["--version"], { encoding: "utf8" });
if (python.status === 0) describe(`the Python client (${python.stdout.trim()})`, chats);
else process.stdout.write("python3 was not found on the PATH: the Python client is not run\n");

/** One line that the Python client wrote. */
interface Line {
  type: string;
  // biome-ignore lint/suspicious/noExplicitAny: each type has its own keys
  [key: string]: any;
}

/** Longer than any recovery that a test waits for, ms. */
const PATIENCE_MS = 60_000;

class PythonClient {
  readonly lines: Line[] = [];
  private errors = "";
  private process!: ChildProcess;

  constructor(
    readonly userId: string,
    private readonly args: string[],
  ) {}

  start(...more: string[]): this {
    const script = path.join(folder, "carillon_client.py");
    this.process = spawn("python3", ["-B", script, ...this.args, ...more], { stdio: "pipe" });
    createInterface({ input: this.process.stdout! }).on("line", (line) => this.lines.push(JSON.parse(line)));
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.errors += text;
    });
    return this;
  }

  order(order: object): void {
    this.process.stdin!.write(`${JSON.stringify(order)}\n`);
  }

  send(to: string, content: string, clientMsgId?: string): void {
    this.order({ do: "send", to: `u:${to}`, content, ...(clientMsgId === undefined ? {} : { clientMsgId }) });
  }

  all(type: string): Line[] {
    return this.lines.filter((line) => line.type === type);
  }

  /** The shown events of a conversation, in order. */
  shown(conversationId: string): string[] {
    return this.all("message")
      .filter((line) => line["conversationId"] === conversationId)
      .map((line) => line["content"]);
  }

  async until<T>(what: string, look: () => T | undefined | false): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      const value = look();
      if (value !== undefined && value !== false) return value;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${what} did not come; last: ${JSON.stringify(this.lines.slice(-5))}\n${this.errors}`);
  }

  /** Waits until `count` lines of a type came. */
  async has(type: string, count = 1): Promise<Line[]> {
    return this.until(`${count} of ${type}`, () => this.all(type).length >= count && this.all(type));
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);

function chats(): void {
  const states = mkdtempSync(path.join(tmpdir(), "carillon-python-"));
  const clients: PythonClient[] = [];
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startTestCluster();
  }, 300_000);
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.kill())));
  afterAll(async () => {
    rmSync(states, { recursive: true, force: true });
    await cluster?.stop();
  }, 60_000);

  /** A new user at a Python client, online. */
  async function pythonPerson(name: string, transport: "tcp" | "ws" | "udp"): Promise<PythonClient> {
    const userId = `${name}-${randomId(8)}`;
    const args = ["--api", cluster.info().api, "--user", userId, "--password", PASSWORD, "--transport", transport];
    const client = new PythonClient(userId, [...args, "--state", path.join(states, `${userId}.json`)]);
    clients.push(client.start("--register"));
    await client.has("connected");
    return client;
  }

  const conversationOf = (a: string, b: string) => (a < b ? `p:${a}:${b}` : `p:${b}:${a}`);
  const say = (client: RawClient, to: string, content: string) =>
    client.request(Command.SEND, { clientMsgId: uuidv7(Date.now()), to: `u:${to}`, contentType: "text", content });

  test.each([
    ["tcp", "ws"],
    ["udp", "udp"],
  ] as const)("two of them, over %s and %s, chat with each other and with a raw client", async (one, other) => {
    const [anna, ben] = [await pythonPerson("anna", one), await pythonPerson("ben", other)];
    const long = "鐘".repeat(5_000);
    for (const content of ["hello", "\ufeffa byte order mark, an emoji 🔔", long]) anna.send(ben.userId, content);
    await ben.has("message", 3);
    ben.send(anna.userId, "good morning");
    const conversation = conversationOf(anna.userId, ben.userId);
    for (const client of [anna, ben]) {
      await client.has("message", 4);
      expect(client.shown(conversation)).toEqual([
        "hello",
        "\ufeffa byte order mark, an emoji 🔔",
        long,
        "good morning",
      ]);
    }
    expect((await anna.has("sent", 3)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    // The RECEIVED of one client is reported to the other.
    await anna.until("delivered", () =>
      anna.all("delivered").some(({ userId, seq }) => userId === ben.userId && seq === 3),
    );

    const carol: Person = await cluster.person("carol");
    const raw = await cluster.online(carol, "json");
    expect(await say(raw, anna.userId, "from carol")).toMatchObject({ command: Command.SENT });
    await anna.has("message", 5);
    anna.send(carol.userId, "to carol");
    await raw.until("both", () => raw.events.length === 2);
    expect(raw.events.map(({ event }) => event["content"])).toEqual(["from carol", "to carol"]);
    anna.order({ do: "read", conversationId: conversationOf(anna.userId, carol.userId), seq: 1 });
    expect((await raw.nextOf(Command.READ_UPDATE)).payload).toMatchObject({ userId: anna.userId, seq: 1 });
    raw.close();
  });

  test("the same id is one message, another text under it a conflict; a missing user is not found", async () => {
    const [anna, ben] = [await pythonPerson("anna", "udp"), await pythonPerson("ben", "tcp")];
    const id = uuidv7(Date.now());
    for (const content of ["once", "once", "twice"]) anna.send(ben.userId, content, id);
    await anna.has("sent", 2);
    expect(anna.all("sent")).toEqual([
      expect.objectContaining({ clientMsgId: id, seq: 1 }),
      expect.objectContaining({ clientMsgId: id, seq: 1, duplicate: true }),
    ]);
    expect(await anna.has("failed")).toEqual([{ type: "failed", clientMsgId: id, name: "CONFLICT" }]);
    anna.send("nobody-at-all", "hello?");
    expect((await anna.has("failed", 2))[1]).toMatchObject({ name: "NO_SUCH_USER" });
    await ben.has("message");
    expect(ben.shown(conversationOf(anna.userId, ben.userId))).toEqual(["once"]);
  });

  test("a killed client continues from its cursor: in order, nothing twice; PULL gives the history", async () => {
    const [anna, ben] = [await pythonPerson("anna", "tcp"), await pythonPerson("ben", "udp")];
    const conversation = conversationOf(anna.userId, ben.userId);
    for (const content of numbers(1, 30)) anna.send(ben.userId, content);
    await ben.has("message", 30);
    await ben.kill();
    for (const content of numbers(31, 100)) anna.send(ben.userId, content);
    await anna.has("sent", 100);
    ben.start();
    await ben.has("message", 100);
    anna.send(ben.userId, "101");
    await ben.has("message", 101);
    expect(ben.shown(conversation)).toEqual(numbers(1, 101));
    expect((await ben.has("connected", 2))[1]).toMatchObject({ resume: "replay" });
    ben.order({ do: "pull", conversationId: conversation, fromSeq: 101, backwards: true, limit: 64 });
    const [pulled] = await ben.has("pulled");
    expect(pulled).toMatchObject({ ok: true, lastSeq: 101, more: true });
    expect(pulled!["events"].map((event: { seq: number }) => event.seq)).toEqual(numbers(38, 101).map(Number));
  });

  test("a connection that breaks again and again loses nothing, repeats nothing", async () => {
    const [anna, ben] = [await pythonPerson("anna", "udp"), await pythonPerson("ben", "ws")];
    for (let i = 1; i <= 40; i++) {
      anna.send(ben.userId, `${i}`);
      if (i % 10 === 0) for (const client of [anna, ben]) client.order({ do: "break" });
      if (i % 10 === 5) await anna.has("sent", i);
    }
    await ben.has("message", 40);
    expect(ben.shown(conversationOf(anna.userId, ben.userId)).sort()).toEqual(numbers(1, 40).sort());
    expect(ben.all("message").map(({ seq }) => seq)).toEqual(numbers(1, 40).map(Number));
    for (const client of [anna, ben]) expect(client.all("closed")).toHaveLength(4);
  });

  test("a gateway says GOAWAY: they move to the other one, and the chat goes on", async () => {
    const [anna, ben] = [await pythonPerson("anna", "udp"), await pythonPerson("ben", "tcp")];
    const gateway = ben.all("connected")[0]!["gatewayId"] as string;
    anna.send(ben.userId, "1");
    await ben.has("message");
    const stopped = cluster.running.stopNode(gateway);
    let sent = 1;
    await ben.until("the move", () => {
      anna.send(ben.userId, `${++sent}`);
      return ben.all("connected").length >= 2;
    });
    await stopped;
    // A gateway that leaves the ring sees a ring that changed: either reason may be the first.
    expect(["shutdown", "rebalance"]).toContain(ben.all("goaway")[0]?.["reason"]);
    expect(ben.all("connected")[1]!["gatewayId"]).not.toBe(gateway);
    await ben.has("message", sent);
    expect(ben.all("message").map(({ seq }) => seq)).toEqual(numbers(1, sent).map(Number));
    await cluster.running.startNode(gateway);
  });
}
