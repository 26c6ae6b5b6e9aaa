/**
 * The largest stored data reaches devices in frames that they can read: the test sends the largest input to each route, and
 * checks every resulting frame against its schema, over every transport and with the SDK.
 */
import { randomId, uuidv7 } from "@carillon/base";
import { CarillonClient } from "@carillon/client";
import { viewOf } from "@carillon/client/view";
import { Command, commandTable, limits, parseServerMessage, readServerMessage } from "@carillon/protocol";
import {
  PASSWORD,
  type Person,
  RawClient,
  type RawFrame,
  type RawTransport,
  startTestCluster,
  type TestCluster,
  until,
} from "@carillon/testkit";
import { createPool, type Pool } from "mysql2/promise";

/** Four bytes of UTF-8, and one character as people and MySQL count. */
const WIDE = "😀";
const LONGEST_NAME = WIDE.repeat(limits.maxNameCharacters);
const LONGEST_NOTICE = WIDE.repeat(limits.maxNoticeCharacters);
const LONGEST_CONTENT = WIDE.repeat(limits.maxContentBytes / 4);
/** More than fit into one page, by number and by bytes. */
const ROWS = 70;

let cluster: TestCluster;
let pool: Pool;
let owner: Person;
let victim: Person;
let crowd: string[];

/** A person whose id has 64 characters. */
const person = (name: string) => cluster.person(name.padEnd(55, "x"));

/** A device that acknowledges, and keeps every frame. */
class Device {
  readonly frames: RawFrame[] = [];
  private constructor(readonly client: RawClient) {}

  static async open(who: Person, transport: RawTransport): Promise<Device> {
    const client = await cluster.online(who, transport);
    const device = new Device(client);
    device.frames.push(...client.frames);
    client.listen(
      (frame) => {
        device.frames.push(frame);
        if (frame.command !== Command.DELIVER) return;
        const last = frame.payload.events.at(-1);
        if (last !== undefined) client.send(Command.RECEIVED, { epoch: frame.payload.epoch, inboxSeq: last[0] });
      },
      () => {},
    );
    return device;
  }

  async ask(command: number, payload: object): Promise<RawFrame> {
    const requestId = this.client.send(command, payload);
    return until(`an answer to command ${command}`, () => this.frames.find((frame) => frame.requestId === requestId));
  }

  /** All pages of SYNC. */
  async sync(): Promise<RawFrame[]> {
    const pages: RawFrame[] = [];
    for (let payload: object = { limit: 64 }; ; ) {
      const page = await this.ask(Command.SYNC, payload);
      expect(page.command).toBe(Command.SYNCED);
      pages.push(page);
      if (!page.payload.more) return pages;
      payload = { cursor: page.payload.cursor, limit: 64 };
    }
  }

  get events(): Record<string, unknown>[] {
    const delivered = this.frames.filter(({ command }) => command === Command.DELIVER);
    return delivered.flatMap(({ payload }) => payload.events.map(([, event]: [number, object]) => event));
  }
}

const seen = new Map<number, number>();

/** Every frame is as its schema says. */
function expectReadable(device: Device): void {
  for (const { command, payload } of device.frames) {
    const message = parseServerMessage(command, payload);
    expect("error" in message ? `${command}: ${message.message}` : "readable").toBe("readable");
    expect(readServerMessage(command, payload)).not.toHaveProperty("payload.unreadable");
    seen.set(command, (seen.get(command) ?? 0) + 1);
  }
}

beforeAll(async () => {
  // One user makes and fills dozens of groups at once: a fast machine would be refused what a slow one may.
  const env = { CARILLON_LIMITS_MESSAGES_BURST: "2000", CARILLON_LIMITS_HTTP_WRITES_BURST: "2000" };
  cluster = await startTestCluster({ env });
  pool = createPool({ uri: cluster.info().mysql.url });
  [owner, victim] = [await person("owner"), await person("victim")];
  crowd = Array.from({ length: 500 }, (_, i) => `c${i}-${randomId(8)}`.padEnd(64, "y"));
  await pool.query("INSERT INTO users (id, folded_id, display_name, created_at) VALUES ?", [
    crowd.map((id) => [id, id.toLowerCase(), LONGEST_NAME, 1]),
  ]);
}, 300_000);
afterAll(async () => {
  await pool?.end();
  await cluster?.stop();
}, 60_000);

const http = async (who: Person, method: string, path: string, body?: object) => {
  const answer = await cluster.http(method, path, { token: who.token, ...(body === undefined ? {} : { body }) });
  expect([path, answer.status < 300 ? "done" : answer]).toEqual([path, "done"]);
  return answer.body;
};

test.each([
  ["in inboxes", 498],
  ["read from the log", 499],
])("a group of many with long ids, %s: all become members, and its events can be read", async (_name, others) => {
  const device = await Device.open(victim, "tcp");
  const members = [victim.userId, ...crowd.slice(0, others)];
  const groupId = randomId(12).padEnd(32, "z");
  const wishes = { groupId, name: LONGEST_NAME, joinPolicy: "open", members };
  const { memberCount } = await http(owner, "POST", "/v1/groups", wishes);
  expect(memberCount).toBe(members.length + 1);
  // A user who asks again after a lost answer gets the group that they made.
  expect(await http(owner, "POST", "/v1/groups", wishes)).toMatchObject({ groupId });
  await http(owner, "PATCH", `/v1/groups/${groupId}`, { name: `${LONGEST_NAME.slice(2)}x`, notice: LONGEST_NOTICE });
  const conversationId = `g:${groupId}`;
  await device.ask(Command.FOCUS, { conversationId });
  const writer = await Device.open(owner, "ws");
  const message = { to: conversationId, contentType: "text", content: LONGEST_CONTENT };
  for (let i = 0; i < 8; i++) await writer.ask(Command.SEND, { ...message, clientMsgId: uuidv7(Date.now()) });
  await until("the last message", () => device.frames.some(({ payload }) => payload.events?.at(-1) !== undefined));
  const pulled = await device.ask(Command.PULL, { conversationId, fromSeq: 1, limit: 64 });
  const named = pulled.payload.events.flatMap(({ content }: { content?: string }) =>
    content?.startsWith("{") ? (JSON.parse(content).userIds ?? []) : [],
  );
  expect(new Set(named).size).toBeGreaterThan(others - 243);
  await pool.query("UPDATE group_members SET muted_until = 9000000000000000000, changed_at = ? WHERE group_id = ?", [
    Date.now(),
    groupId,
  ]);
  const pages = await device.sync();
  const rows = pages.flatMap(({ payload }) => payload.groups);
  expect(rows.find((row: { groupId: string }) => row.groupId === groupId).mutedUntil).toBe(limits.maxTimeMs);
  for (const one of [device, writer]) {
    expectReadable(one);
    one.client.close();
  }
});

test("times and numbers beyond their range are refused, and the latest time is kept as it is", async () => {
  const { groupId } = await http(owner, "POST", "/v1/groups", {
    name: "x",
    joinPolicy: "open",
    members: [victim.userId],
  });
  const mute = async (mutedUntil: number) =>
    (
      await cluster.http("PATCH", `/v1/groups/${groupId}/members/${victim.userId}`, {
        token: owner.token,
        body: { mutedUntil },
      })
    ).status;
  for (const bad of [9_000_000_000_000_000_000, 1e30, 0.5, -1, Math.floor(Date.now() / 1_000), Date.now() - 1_000]) {
    expect([bad, await mute(bad)]).toEqual([bad, 400]);
  }
  expect(await mute(limits.maxTimeMs)).toBe(204);
  expect(await mute(0)).toBe(204);
  expect(await mute(limits.maxTimeMs)).toBe(204);
});

test("SYNC of longest names, notices, remarks and previews, over all transports", async () => {
  const made = Array.from({ length: ROWS }, (_, i) => `g${i}-${randomId(8)}`.padEnd(32, "w"));
  const make = async (groupId: string) => {
    const wishes = { groupId, name: LONGEST_NAME, joinPolicy: "invite", members: [victim.userId] };
    await http(owner, "POST", "/v1/groups", wishes);
    await http(owner, "PATCH", `/v1/groups/${groupId}`, { notice: LONGEST_NOTICE });
  };
  for (let at = 0; at < ROWS; at += 10) await Promise.all(made.slice(at, at + 10).map(make));
  await pool.query("INSERT INTO relations (owner_id, peer_id, state, remark, version, changed_at) VALUES ?", [
    crowd.slice(0, ROWS).map((id, i) => [victim.userId, id, "friend", LONGEST_NAME, i + 1, 1]),
  ]);
  const version =
    "INSERT INTO user_versions (user_id, relations_version) VALUES (?, ?) ON DUPLICATE KEY UPDATE relations_version = ?";
  await pool.query(version, [victim.userId, ROWS, ROWS]);
  const writer = await Device.open(owner, "tcp");
  for (const groupId of made) {
    const message = { to: `g:${groupId}`, contentType: "text", content: LONGEST_CONTENT };
    await writer.ask(Command.SEND, { ...message, clientMsgId: uuidv7(Date.now()) });
  }
  for (const transport of ["tcp", "ws", "json"] as const) {
    const device = await Device.open(victim, transport);
    const pages = await device.sync();
    const count = (list: string) => new Set(pages.flatMap(({ payload }) => payload[list].map(JSON.stringify))).size;
    expect([count("groups"), count("relations"), count("conversations")].every((rows) => rows >= ROWS)).toBe(true);
    expectReadable(device);
    device.client.close();
  }
  writer.client.close();
});

test("pages and deliveries of the longest messages; receipts, presence, typing, orders to go", async () => {
  const writer = await Device.open(owner, "json");
  const devices = [await Device.open(victim, "tcp")];
  for (const transport of ["ws", "json"] as const) {
    devices.push(await Device.open(await cluster.device(victim, randomId(64)), transport));
  }
  const conversationId = `p:${[owner.userId, victim.userId].sort().join(":")}`;
  const sent = [];
  for (let i = 0; i < ROWS; i++) {
    const message = { to: `u:${victim.userId}`, contentType: "custom", content: LONGEST_CONTENT };
    sent.push(writer.ask(Command.SEND, { ...message, clientMsgId: uuidv7(Date.now()) }));
  }
  for (const answer of await Promise.all(sent)) expect(answer.command).toBe(Command.SENT);
  for (const device of devices) {
    await until(
      "all messages",
      () => device.events.filter((one) => one["conversationId"] === conversationId).length === ROWS,
    );
    for (const backwards of [false, true]) {
      await device.ask(Command.PULL, { conversationId, fromSeq: backwards ? ROWS : 1, limit: 64, backwards });
    }
    await device.ask(Command.WATCH_PRESENCE, { userIds: [owner.userId, ...crowd.slice(0, 63)], on: true });
    await device.ask(Command.PING, {});
    await device.ask(Command.SEND, {
      [`${"k".repeat(62)}é`]: { a: { a: { a: { a: { a: { a: 1 } } } } } },
    });
  }
  await writer.ask(Command.WATCH_PRESENCE, { userIds: [victim.userId], on: true });
  await devices[0]!.ask(Command.READ, { conversationId, seq: ROWS });
  devices[0]!.client.send(Command.TYPING, { conversationId });
  const target = { conversationId, targetSeq: ROWS, clientMsgId: uuidv7(Date.now()) };
  await until("the recall", async () => (await writer.ask(Command.RECALL, target)).command === Command.SENT);
  for (const command of [Command.READ_UPDATE, Command.DELIVERED_UPDATE, Command.TYPING, Command.PRESENCE]) {
    await until(`command ${command}`, () => writer.frames.some((frame) => frame.command === command));
  }
  const [right, wrong] = await cluster.route(victim);
  const lost = await RawClient.open("tcp", wrong!);
  lost.send(Command.CONNECT, { token: victim.token, deviceId: victim.deviceId, platform: "other" });
  const goaway = await lost.nextOf(Command.GOAWAY);
  expect(goaway.payload.reconnectTo).toEqual(right);
  seen.set(goaway.command, 1);
  await http(victim, "DELETE", "/v1/sessions/current");
  await until("KICKED", () => devices[0]!.frames.some(({ command }) => command === Command.KICKED));
  for (const device of [writer, ...devices]) {
    expectReadable(device);
    device.client.close();
  }
});

test("the SDK of a user with all of this has all of it, and reports no error", async () => {
  const errors: Error[] = [];
  const client = new CarillonClient({
    ...{ api: cluster.info().api, deviceId: "sdk", platform: "other" },
    credentials: { userId: victim.userId, password: PASSWORD },
  });
  client.on("error", (error) => void errors.push(error));
  const view = viewOf(client);
  await client.connect();
  await until(
    "all groups and friends",
    () => view.people.groups.length >= ROWS && view.people.relations.length >= ROWS,
  );
  expect((await client.history(`p:${[owner.userId, victim.userId].sort().join(":")}`)).messages.length).toBeGreaterThan(
    0,
  );
  expect(errors).toEqual([]);
  await client.close();
});

test("frames of every command of the server were looked at", () => {
  const fromServer = commandTable.filter(({ direction }) => direction !== "client");
  expect(fromServer.filter(({ number }) => !seen.has(number)).map(({ name }) => name)).toEqual([]);
});
