/** The listeners with real sockets: what a stranger sends, and what fails behind a connection, ends that connection only. */
import type { Socket } from "node:net";
import { type CaughtError, onCaught } from "@carillon/base";
import { Command, decodePayload, encodeFrame, FrameDecoder, parseServerMessage } from "@carillon/protocol";
import { RawClient, until } from "@carillon/testkit";
import type { ClientConnection, ConnectionEvents, Listener } from "../src/accept/client-connection";
import { pathOf } from "../src/accept/request-target";
import { listenTcp } from "../src/accept/tcp-listener";
import { listenWebSocket } from "../src/accept/websocket-listener";

const told: CaughtError[] = [];
let stopTelling: () => void;
let tcp: Listener;
let ws: Listener;
/** What each accepted connection does with its frames. */
let events: (connection: ClientConnection) => Partial<ConnectionEvents>;
const accepted: ClientConnection[] = [];

const echo = (connection: ClientConnection): Partial<ConnectionEvents> => ({
  onFrame: ({ requestId }) => connection.send(encodeFrame(Command.PONG, requestId, { serverTime: 1 })),
});

beforeAll(async () => {
  const options = {
    host: "127.0.0.1",
    port: 0,
    advertiseHost: "127.0.0.1",
    mostQueuedBytes: 1_000_000,
    accept: (connection: ClientConnection) => {
      accepted.push(connection);
      connection.attach({
        onFrame: () => {},
        onFault: () => {},
        onClosed: () => {},
        onDrained: () => {},
        ...events(connection),
      });
    },
  };
  tcp = await listenTcp(options);
  ws = await listenWebSocket({ ...options, http: (_, response) => void response.writeHead(404).end() });
});
afterAll(async () => {
  await Promise.all([tcp.close(), ws.close()]);
});
beforeEach(() => {
  events = echo;
  accepted.length = 0;
  told.length = 0;
  stopTelling = onCaught((caught) => told.push(caught));
});
afterEach(() => stopTelling());

const open = (transport: "tcp" | "ws" | "json") => RawClient.open(transport, { ws: ws.address, tcp: tcp.address });

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
    await until("the error is told", () => told.length === 1);
    expect(told[0]).toMatchObject({ place: "socket", remote: accepted[0]!.remote });
    await expectOthersServed();
  });

  test("bytes that cannot be written end that connection; others of the same turn get theirs", async () => {
    const [broken, other] = [await open(transport), await open(transport)];
    await until("both are accepted", () => accepted.length === 2);
    // A command that has no name cannot be told in JSON; what is no bytes can be written nowhere.
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
  const port = Number(tcp.address.split(":")[1]);
  const server = servers
    ._getActiveHandles()
    .find((handle) => (handle as unknown as { address?(): { port?: number } }).address?.()?.port === port)!;
  server.emit("error", new Error("accept EMFILE"));
  expect(told).toMatchObject([{ place: "listener" }]);
});

test("an answer that quotes what a client sent can be encoded and read, whatever that was", async () => {
  const { CarillonError } = await import("@carillon/protocol");
  const error = new CarillonError("BAD_PAYLOAD", `\ud800: unknown key ${"\udfff".repeat(5_000)}`);
  const [frame] = new FrameDecoder().push(encodeFrame(Command.ERROR, 1, error.toPayload()));
  expect(parseServerMessage(Command.ERROR, decodePayload(frame!.payload))).toMatchObject({
    payload: { name: "BAD_PAYLOAD", message: expect.stringMatching(/^\ufffd: unknown key \ufffd/) },
  });
});
