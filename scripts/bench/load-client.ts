/** A client of the load generator: a raw TCP socket that sends, receives, acknowledges, and checks what it gets. */
import { connect, type Socket } from "node:net";
import { uuidv7 } from "@carillon/base";
import { Command, decodePayload, encodeFrame, FrameDecoder } from "@carillon/protocol";

const ACK_EVENTS = 20;
const ACK_MS = 50;

export interface LoadEvents {
  /** A message of the peer came. */
  onReceived(content: string): void;
  onSent(): void;
  /** The server asked to come back later; the client does. */
  onBusy(): void;
  onError(what: string): void;
}

export class LoadClient {
  /** Highest seq seen in the conversation with the peer: each must follow the last. */
  private lastSeq = 0;
  private inbox = { epoch: "", seq: 0 };
  private unacknowledged = 0;
  private ackTimer: ReturnType<typeof setTimeout> | undefined;
  private pending: Uint8Array[] = [];
  private lastRequestId = 0;
  /** Messages without SENT, by requestId: after BUSY the same one is sent again. */
  private readonly unanswered = new Map<number, object>();

  private constructor(
    private readonly socket: Socket,
    readonly userId: string,
    private readonly peerId: string,
    private readonly events: LoadEvents,
  ) {}

  static async open(options: {
    tcp: string;
    userId: string;
    peerId: string;
    token: string;
    deviceId: string;
    events: LoadEvents;
  }): Promise<LoadClient> {
    const [host, port] = options.tcp.split(":") as [string, string];
    const socket = connect({ host, port: Number(port), noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const client = new LoadClient(socket, options.userId, options.peerId, options.events);
    await client.logIn(options.token, options.deviceId);
    return client;
  }

  /** Sends one message to the peer with whatever else is sent in this turn. */
  send(content: string): void {
    const payload = {
      clientMsgId: uuidv7(Date.now()),
      to: `u:${this.peerId}`,
      contentType: "text",
      content,
    };
    const requestId = ++this.lastRequestId;
    this.unanswered.set(requestId, payload);
    this.write(encodeFrame(Command.SEND, requestId, payload));
  }

  close(): void {
    clearTimeout(this.ackTimer);
    this.socket.destroy();
  }

  private async logIn(token: string, deviceId: string): Promise<void> {
    const decoder = new FrameDecoder();
    this.write(encodeFrame(Command.CONNECT, 1, { token, deviceId, platform: "other" }));
    await new Promise<void>((resolve, reject) => {
      this.socket.on("error", reject);
      this.socket.on("close", () => reject(new Error("the gateway closed the connection")));
      this.socket.on("data", (chunk) => {
        for (const { command, requestId, payload } of decoder.push(chunk)) {
          if (command === Command.CONNECTED) {
            this.inbox = (decodePayload(payload) as { inbox: { epoch: string; seq: number } }).inbox;
            resolve();
          } else this.receive(command, requestId, payload);
        }
      });
    });
  }

  private receive(command: number, requestId: number, payload: Uint8Array): void {
    if (command === Command.DELIVER) return this.deliver(payload);
    if (command === Command.SENT) {
      this.unanswered.delete(requestId);
      return this.events.onSent();
    }
    if (command === Command.ERROR)
      this.retry(requestId, decodePayload(payload) as { name: string; retryAfterMs?: number });
    if (command === Command.KICKED || command === Command.GOAWAY)
      this.events.onError(`closed by the gateway: ${command}`);
  }

  private retry(requestId: number, error: { name: string; retryAfterMs?: number }): void {
    const payload = this.unanswered.get(requestId);
    if (error.name !== "BUSY" || payload === undefined) return this.events.onError(JSON.stringify(error));
    this.events.onBusy();
    setTimeout(() => this.write(encodeFrame(Command.SEND, requestId, payload)), error.retryAfterMs ?? 1_000);
  }

  private deliver(payload: Uint8Array): void {
    const { epoch, events } = decodePayload(payload) as {
      epoch: string;
      events: [number, { seq: number; senderId: string; content: string }][];
    };
    for (const [inboxSeq, event] of events) {
      if (epoch !== this.inbox.epoch || inboxSeq !== this.inbox.seq + 1) this.events.onError(`hole before ${inboxSeq}`);
      this.inbox = { epoch, seq: inboxSeq };
      if (event.seq !== this.lastSeq + 1) this.events.onError(`seq ${event.seq} after ${this.lastSeq}`);
      this.lastSeq = event.seq;
      if (event.senderId === this.peerId) this.events.onReceived(event.content);
    }
    this.unacknowledged += events.length;
    if (this.unacknowledged >= ACK_EVENTS) this.acknowledge();
    else this.ackTimer ??= setTimeout(() => this.acknowledge(), ACK_MS);
  }

  private acknowledge(): void {
    clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    this.unacknowledged = 0;
    this.write(encodeFrame(Command.RECEIVED, 0, { epoch: this.inbox.epoch, inboxSeq: this.inbox.seq }));
  }

  private write(frame: Uint8Array): void {
    if (this.pending.push(frame) > 1) return;
    setImmediate(() => {
      const frames = this.pending;
      this.pending = [];
      if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
    });
  }
}
