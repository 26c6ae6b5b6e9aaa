/** The listeners with real sockets: bytes of a stranger, or an error behind a connection, end that connection only. */
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { type CaughtError, onCaught } from "@carillon/base";
import { Command, decodePayload, encodeFrame, FrameDecoder, parseServerMessage } from "@carillon/protocol";
import { RawClient, until } from "@carillon/testkit";
import type { ClientConnection, ConnectionEvents } from "../src/accept/client-connection";
import { pathOf } from "../src/accept/websocket-listener";
import { echo, TestListeners } from "./fixtures/listeners";

const told: CaughtError[] = [];
let stopTelling: () => void;
let listeners: TestListeners;
let accepted: ClientConnection[];
let refused: string[];
/** The events of each accepted connection. */
let events: (connection: ClientConnection) => Partial<ConnectionEvents>;

beforeAll(async () => {
  listeners = await TestListeners.open({ events: (connection) => events(connection) });
  ({ accepted, refused } = listeners);
});
afterAll(() => listeners.close());
beforeEach(() => {
  events = echo;
  accepted.length = 0;
  told.length = 0;
  stopTelling = onCaught((caught) => told.push(caught));
});
afterEach(() => stopTelling());

const open = (transport: "tcp" | "ws" | "json") => RawClient.open(transport, listeners);

async function expectOthersServed(): Promise<void> {
  events = echo;
  for (const transport of ["tcp", "ws", "json"] as const) {
    const client = await open(transport);
    expect((await client.request(Command.PING)).command).toBe(Command.PONG);
    client.destroy();
  }
}

test.each([
  ["/", "/"],
  ["/ws?x=1#y", "/ws"],
  ["//", "//"],
  ["http://[", "/"],
  ["http://host:99/healthz?a", "/healthz"],
  ["/\\", "/\\"],
  ["//:80", "//:80"],
  ["*", "*"],
  ["", "/"],
  [undefined, "/"],
])("the path of the target %s is %s", (target, path) => {
  expect(pathOf(target)).toBe(path);
});

describe.each(["tcp", "ws", "json"] as const)("over %s", (transport) => {
  test.each(["onFrame", "onClosed", "onDrained"] as const)("an error in %s ends that connection only", async (name) => {
    events = (connection) => ({
      ...echo(connection),
      [name]: () => {
        throw new Error("broken");
      },
    });
    const client = await open(transport);
    await until("the connection is accepted", () => accepted.length === 1);
    if (name === "onDrained") (accepted[0] as unknown as { socket: Socket }).socket.emit("drain");
    else client.send(Command.PING);
    if (name === "onClosed") client.destroy();
    else await client.closed();
    await until("the error is reported", () => told.length === 1);
    expect(told[0]).toMatchObject({ place: "socket", remote: accepted[0]!.remote });
    await expectOthersServed();
  });

  test("bytes that cannot be written end that connection; other connections of the same turn get their frames", async () => {
    const [broken, other] = [await open(transport), await open(transport)];
    await until("both are accepted", () => accepted.length === 2);
    // A command without a name cannot be encoded as JSON; a symbol cannot be written at all.
    const nameless = Uint8Array.of(0, 0, 0, 8, 1, 0, 0xff, 0xff, 0, 0, 0, 1);
    accepted[0]!.send(transport === "json" ? nameless : (Symbol("no bytes") as never));
    accepted[1]!.send(encodeFrame(Command.PONG, 5, { serverTime: 1 }));
    expect((await other.nextOf(Command.PONG)).requestId).toBe(5);
    await broken.closed();
    expect(told.map(({ place }) => place)).toEqual(["write"]);
    other.destroy();
  });
});

test("a listener that fails after it has begun does not end the process", () => {
  const servers = process as unknown as {
    _getActiveHandles(): { _handle?: unknown; emit(...args: unknown[]): void }[];
  };
  const port = Number(listeners.tcp.split(":")[1]);
  const server = servers
    ._getActiveHandles()
    .find((handle) => (handle as unknown as { address?(): { port?: number } }).address?.()?.port === port)!;
  server.emit("error", new Error("accept EMFILE"));
  expect(told).toMatchObject([{ place: "listener" }]);
});

test("an answer that quotes a client's input can be encoded and read, whatever the input was", async () => {
  const { CarillonError } = await import("@carillon/protocol");
  const error = new CarillonError("BAD_PAYLOAD", `\ud800: unknown key ${"\udfff".repeat(5_000)}`);
  const [frame] = new FrameDecoder().push(encodeFrame(Command.ERROR, 1, error.toPayload()));
  expect(parseServerMessage(Command.ERROR, decodePayload(frame!.payload))).toMatchObject({
    payload: { name: "BAD_PAYLOAD", message: expect.stringMatching(/^\ufffd: unknown key \ufffd/) },
  });
});

/** A connection to the WebSocket port that sends this text and then nothing. */
async function say(
  text: string,
  localAddress = "127.0.0.1",
): Promise<{ answer: () => string; closed: Promise<void>; socket: Socket }> {
  const { port } = new URL(listeners.ws);
  const socket = connect({ port: Number(port), host: "127.0.0.1", localAddress, allowHalfOpen: true });
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write(text);
  return { answer: () => answer, closed, socket };
}

const upgrade = (target: string, ...more: string[]) =>
  [
    `GET ${target} HTTP/1.1`,
    ...["Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
    ...["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: carillon.v1", ...more, "", ""],
  ].join("\r\n");

test.each([
  ["nothing", ""],
  ["half a line", "GET /ws HT"],
  ["half of the headers", upgrade("/ws").slice(0, 80)],
  ["a request without its body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"],
  ["an upgrade that is refused", upgrade("/else")],
])("a client that sends %s is cut off", async (_name, text) => {
  const { closed, socket } = await say(text);
  // This side never closes by itself: after the end of the other side, it continues to write until the connection is closed.
  socket.on("end", () => {
    const timer = setInterval(() => socket.write("x"), 20);
    socket.once("close", () => clearInterval(timer));
  });
  await closed;
});

describe("places", () => {
  const from = (address: string) => say(upgrade("/ws", `X-Forwarded-For: 1.1.1.1, ${address}`), "127.0.0.5");
  const statusOf = async ({ answer }: Awaited<ReturnType<typeof say>>) =>
    until("an answer", () => /^HTTP\/1.1 (\d+)/.exec(answer())?.[1]);

  beforeEach(() => {
    refused.length = 0;
  });

  test("an address that a proxy tells has a bounded number of places, and a connection that closes frees its place", async () => {
    const links = [];
    for (let i = 0; i < 3; i++) links.push(await from("192.0.2.7"));
    for (const link of links) expect(await statusOf(link)).toBe("101");
    expect(await statusOf(await from("192.0.2.7"))).toBe("503");
    expect(refused).toEqual(["address"]);
    const other = await from("192.0.2.8");
    expect(await statusOf(other)).toBe("101");
    links[0]!.socket.destroy();
    const again = await until("room", async () => {
      const link = await from("192.0.2.7");
      return (await statusOf(link)) === "101" && link;
    });
    expect(accepted.map(({ remote }) => remote)).toContain("192.0.2.7");
    for (const { socket } of [...links, other, again]) socket.destroy();
  });

  test("a client that claims another address is counted under its real address", async () => {
    const links = [];
    for (let i = 0; i < 5; i++) links.push(await say(upgrade("/ws", "X-Forwarded-For: 192.0.2.9")));
    for (const link of links) expect(await statusOf(link)).toBe("101");
    expect(accepted.every(({ remote }) => remote.startsWith("127.0.0.1:"))).toBe(true);
    for (const { socket } of links) socket.destroy();
  });

  test("the number of places is bounded over all transports; connections that are open stay open", async () => {
    const clients: RawClient[] = [];
    const room = async () => {
      const client = await open("tcp");
      if (
        (await until("a decision", () => (client.isClosed ? "no" : accepted.length > clients.length && "yes"))) === "no"
      )
        return false;
      clients.push(client);
      return true;
    };
    await until("places that were left", async () => (await room()) && clients.length >= 20);
    const { port } = new URL(listeners.ws);
    const late = connect({ port: Number(port), host: "127.0.0.1" });
    late.on("error", () => {});
    await new Promise((resolve) => late.once("close", resolve));
    expect(refused).toContain("all");
    expect((await clients[0]!.request(Command.PING)).command).toBe(Command.PONG);
    for (const client of clients) client.destroy();
    await until("places again", async () => {
      const client = await open("tcp");
      const answered = await client.request(Command.PING).then(
        () => true,
        () => false,
      );
      client.destroy();
      return answered;
    });
  });
});

test("a PING of WebSocket is answered within the limit", async () => {
  let left = 2;
  events = () => ({ onControl: () => left-- > 0 });
  const client = await open("ws");
  const socket = (client as unknown as { link: { socket(): Socket } }).link.socket();
  const pongs: Buffer[] = [];
  socket.on("data", (chunk) => pongs.push(chunk));
  for (let i = 0; i < 5; i++) socket.write(Buffer.from([0x89, 0x81, 0, 0, 0, 0, i]));
  await until("all were judged", () => left === -3);
  await until("two answers", () => Buffer.concat(pongs).equals(Buffer.from([0x8a, 1, 0, 0x8a, 1, 1])));
  client.destroy();
});

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));

(hasIpv6 ? test : test.skip)("addresses of IPv6 that clients are told can be opened", async () => {
  const overIpv6 = await TestListeners.open({ settings: { host: "::1" } });
  expect(overIpv6.tcp).toMatch(/^\[::1\]:\d+$/);
  expect(overIpv6.ws).toMatch(/^ws:\/\/\[::1\]:\d+\/ws$/);
  for (const transport of ["tcp", "ws"] as const) {
    const client = await RawClient.open(transport, overIpv6);
    expect((await client.request(Command.PING)).command).toBe(Command.PONG);
    client.close();
  }
  await overIpv6.close();
});
