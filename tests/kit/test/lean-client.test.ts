import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { Command, decodePayload, encodeDeliverFrame, encodeEvent, encodeFrame, FrameDecoder } from "@carillon/protocol";
import { WebSocketServer } from "ws";
import { LeanClient } from "../src/clients/lean-client";
import { until } from "../src/until";

interface Received {
  command: number;
  payload: Record<string, unknown>;
}

/** A gateway that records frames, and answers CONNECT with `answer`. */
class Gateway {
  readonly received: Received[] = [];
  socket: Socket | undefined;
  answer = encodeFrame(Command.CONNECTED, 1, { inbox: { epoch: "e", seq: 4 }, heartbeatSeconds: 30 });
  private readonly server: Server;

  constructor() {
    this.server = createServer((socket) => {
      const decoder = new FrameDecoder();
      this.socket = socket;
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        for (const { command, payload } of decoder.push(chunk)) {
          this.received.push({ command, payload: decodePayload(payload) });
          if (command === Command.CONNECT) socket.write(this.answer);
        }
      });
    });
  }

  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return (this.server.address() as { port: number }).port;
  }

  deliver(...inboxSeqs: number[]): void {
    const entries = inboxSeqs.map((inboxSeq) => ({ inboxSeq, event: event(inboxSeq) }));
    this.socket!.write(encodeDeliverFrame("e", entries));
  }

  /** Numbers of all RECEIVED. */
  get acknowledged(): unknown[] {
    return this.received
      .filter(({ command }) => command === Command.RECEIVED)
      .map(({ payload }) => payload["inboxSeq"]);
  }

  close(): void {
    this.socket?.destroy();
    this.server.close();
  }
}

const event = (seq: number) =>
  encodeEvent({
    ...{ conversationId: "p:alice:bob", seq, senderId: seq % 2 === 0 ? "alice" : "bob", kind: "message" },
    ...{ messageId: "1234567890123456789", clientMsgId: "01932c07-0000-7000-8000-000000000000" },
    ...{ contentType: "text", sentAt: 1_800_000_000_000, content: `text ${seq}` },
  });

class Client extends LeanClient {
  readonly messages: [number, boolean, string][] = [];
  readonly frames: number[] = [];
  readonly faults: string[] = [];

  open = () => this.logIn();
  again = () => this.connect();
  say = (command: number) => this.write(encodeFrame(command, ++this.lastRequestId, {}));

  protected onFrame(command: number): void {
    this.frames.push(command);
  }

  protected onMessage(seq: number, isOwn: boolean, content: string): void {
    this.messages.push([seq, isOwn, content]);
  }

  protected onFault(what: string): void {
    this.faults.push(what);
  }
}

describe("the fast path of the raw client", () => {
  let gateway: Gateway;
  let client: Client;
  beforeEach(async () => {
    gateway = new Gateway();
    const port = await gateway.open();
    client = new Client({ host: "127.0.0.1", port, userId: "alice", deviceId: "d", token: "t" });
  });
  afterEach(() => {
    client.cut();
    gateway.close();
  });

  test("logs in, and reports events with their content, except that of own messages", async () => {
    await client.open();
    gateway.deliver(5, 6);
    await until("both events", () => client.messages.length === 2);
    expect(client.messages).toEqual([
      [5, false, "text 5"],
      [6, true, ""],
    ]);
    expect(gateway.received[0]).toEqual({
      command: Command.CONNECT,
      payload: { token: "t", deviceId: "d", platform: "other" },
    });
  });

  test("acknowledges soon, and at once after twenty events", async () => {
    await client.open();
    gateway.deliver(5);
    await until("the first RECEIVED", () => gateway.acknowledged.length === 1);
    gateway.deliver(...Array.from({ length: 20 }, (_, i) => 6 + i));
    await until("the second RECEIVED", () => gateway.acknowledged.length === 2);
    expect(gateway.acknowledged).toEqual([5, 25]);
  });

  test("reports a hole, a repeated event and another epoch", async () => {
    await client.open();
    gateway.deliver(5, 7);
    gateway.deliver(7);
    gateway.socket!.write(encodeDeliverFrame("f", [{ inboxSeq: 8, event: event(8) }]));
    await until("the last event", () => client.messages.length === 3);
    expect(client.faults).toEqual(["inbox 7 after 5", "inbox 7 after 7", "the inbox began a new epoch"]);
  });

  test("sends all frames of a turn in their order, and passes other frames on", async () => {
    await client.open();
    client.say(Command.SYNC);
    client.say(Command.PING);
    await until("both frames", () => gateway.received.length === 3);
    expect(gateway.received.slice(1).map(({ command }) => command)).toEqual([Command.SYNC, Command.PING]);
    gateway.socket!.write(encodeFrame(Command.PONG, 3, { serverTime: 1 }));
    await until("the frame", () => client.frames.length === 1);
    expect(client.frames).toEqual([Command.PONG]);
  });

  test("a refused log-in rejects with the error", async () => {
    gateway.answer = encodeFrame(Command.ERROR, 1, { name: "BUSY", retryAfterMs: 5 });
    await expect(client.open()).rejects.toThrow('"BUSY"');
  });

  test("reports the end of its connection, and continues from its place when it connects again", async () => {
    await client.open();
    gateway.deliver(5);
    await until("the event", () => client.messages.length === 1);
    gateway.socket!.end();
    await until("the end", () => client.faults.length === 1);
    expect(client).toMatchObject({ isConnected: false, faults: ["the gateway closed the connection"] });
    client.again();
    await until("the new connection", () => client.isConnected);
    expect(gateway.received.at(-1)!.payload).toMatchObject({ inbox: { epoch: "e", seq: 5 } });
    gateway.deliver(6);
    await until("the next event", () => client.messages.length === 2);
  });

  test("speaks over WebSocket, too", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", path: "/ws" });
    const received: string[] = [];
    server.on("connection", (socket) => {
      received.push(socket.protocol);
      socket.on("message", () => socket.send(gateway.answer));
      socket.once("message", () => socket.send(encodeDeliverFrame("e", [{ inboxSeq: 5, event: event(5) }])));
    });
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    client = new Client({ host: "127.0.0.1", port, transport: "ws", userId: "alice", deviceId: "d", token: "t" });
    await client.open();
    await until("the event", () => client.messages.length === 1);
    expect(received).toEqual(["carillon.v1"]);
    for (const socket of server.clients) socket.close();
    await until("the end", () => client.faults.length === 1);
    server.close();
  });

  test("reports bytes that are no frame", async () => {
    await client.open();
    gateway.socket!.write(Buffer.alloc(12, 0xff));
    await until("the fault", () => client.faults.length > 0);
    expect(client.faults[0]).toContain("a frame of");
  });
});
