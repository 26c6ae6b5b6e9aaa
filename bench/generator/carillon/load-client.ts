/** A client of the load generator: a raw TCP socket that sends, receives, acknowledges, and checks what it gets. */
import { connect, type Socket } from "node:net";
import { uuidv7 } from "@carillon/base";
import { Command, decodePayload, encodeFrame } from "@carillon/protocol";
import { FrameCutter } from "./frame-walk";

const ACK_EVENTS = 20;
const ACK_MS = 50;
const UNANSWERED_MS = 5_000;
/** What every socket reads into: it is done with before the next one reads. */
const readBuffer = Buffer.alloc(256 * 1_024);

/** The members of a large group get the same bytes one after the other: they are decoded for the first. */
const decoded = { bytes: Buffer.alloc(0), payload: {} };

function decodeSame(bytes: Uint8Array): object {
  if (!decoded.bytes.equals(bytes))
    Object.assign(decoded, { bytes: Buffer.from(bytes), payload: decodePayload(bytes) });
  return decoded.payload;
}

export interface LoadedEvent {
  conversationId: string;
  seq: number;
  senderId: string;
  content: string;
}

export interface LoadEvents {
  /** An event came: by DELIVER, or because the client looks at a large group. */
  onEvent(event: LoadedEvent): void;
  /** A large group has events up to this number. */
  onNotify?(lastSeq: number): void;
  onSent(): void;
  /** The server asked to come back later; the client does. */
  onBusy(): void;
  onError(what: string): void;
}

export class LoadClient {
  /** Highest seq seen in each conversation: each must follow the last. */
  private readonly lastSeqs = new Map<string, number>();
  /** Of a large group: what it was told of may be left out. */
  private toldOf = 0;
  private inbox = { epoch: "", seq: 0 };
  private unacknowledged = 0;
  private readonly cutter = new FrameCutter();
  private onLogin: () => void = () => {};
  private ackTimer: ReturnType<typeof setTimeout> | undefined;
  private pending: Uint8Array[] = [];
  private lastRequestId = 0;
  /** Messages without SENT, by requestId: after BUSY the same one is sent again. */
  private readonly unanswered = new Map<number, { payload: object; since: number }>();

  private constructor(
    private readonly socket: Socket,
    /** Whom it writes to, as SEND names it. */
    private readonly to: string,
    private readonly events: LoadEvents,
    /** Of a conversation before the first event of it that comes. */
    private readonly firstSeq: number,
    /** Adds a random part to the time after which the server wants a message again. */
    private readonly hasJitter: boolean,
  ) {}

  static async open(options: {
    tcp: string;
    to: string;
    token: string;
    deviceId: string;
    events: LoadEvents;
    /** Of the conversation, before anything is written. */
    lastSeq: number;
    hasJitter?: boolean;
  }): Promise<LoadClient> {
    const [host, port] = options.tcp.split(":") as [string, string];
    let client: LoadClient | undefined;
    const socket = connect({
      ...{ host, port: Number(port), noDelay: true },
      onread: { buffer: readBuffer, callback: (length, bytes) => client!.cut(bytes as Buffer, length) },
    });
    client = new LoadClient(socket, options.to, options.events, options.lastSeq, options.hasJitter ?? true);
    await client.logIn(options.token, options.deviceId);
    return client;
  }

  /** Looks at a conversation. */
  focus(conversationId: string): void {
    this.write(encodeFrame(Command.FOCUS, ++this.lastRequestId, { conversationId }));
  }

  /** Sends one message with whatever else is sent in this turn. */
  send(content: string, to = this.to): void {
    const payload = { clientMsgId: uuidv7(Date.now()), to, contentType: "text", content };
    const requestId = ++this.lastRequestId;
    this.unanswered.set(requestId, { payload, since: performance.now() });
    this.write(encodeFrame(Command.SEND, requestId, payload));
  }

  /** The user has read a conversation up to this number; the answer is not waited for. */
  read(conversationId: string, seq: number): void {
    this.write(encodeFrame(Command.READ, ++this.lastRequestId, { conversationId, seq }));
  }

  close(): void {
    clearTimeout(this.ackTimer);
    this.socket.destroy();
  }

  private async logIn(token: string, deviceId: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.onLogin = resolve;
      this.socket.on("error", reject);
      this.socket.on("close", () => reject(new Error("the gateway closed the connection")));
      this.socket.on("connect", () =>
        this.write(encodeFrame(Command.CONNECT, 1, { token, deviceId, platform: "other" })),
      );
    });
  }

  private cut(bytes: Buffer, length: number): boolean {
    this.cutter.push(bytes, length, this.take);
    return true;
  }

  private readonly take = (command: number, requestId: number, bytes: Buffer, from: number, to: number): void => {
    const payload = bytes.subarray(from, to);
    if (command !== Command.CONNECTED) return this.receive(command, requestId, payload);
    this.inbox = (decodePayload(payload) as { inbox: { epoch: string; seq: number } }).inbox;
    this.onLogin();
  };

  private receive(command: number, requestId: number, payload: Uint8Array): void {
    if (command === Command.DELIVER) return this.deliver(payload);
    if (command === Command.SENT) {
      this.unanswered.delete(requestId);
      return this.events.onSent();
    }
    if (command === Command.NOTIFY) {
      this.toldOf = (decodeSame(payload) as { lastSeq: number }).lastSeq;
      return this.events.onNotify?.(this.toldOf);
    }
    if (command === Command.PULLED) {
      const { events } = decodeSame(payload) as unknown as { events: LoadedEvent[] };
      return this.takeEvents(events);
    }
    if (command === Command.ERROR)
      this.retry(requestId, decodePayload(payload) as { name: string; retryAfterMs?: number });
    if (command === Command.KICKED || command === Command.GOAWAY)
      this.events.onError(`closed by the gateway: ${command}`);
  }

  private retry(requestId: number, error: { name: string; retryAfterMs?: number }): void {
    const open = this.unanswered.get(requestId);
    if (error.name !== "BUSY" || open === undefined) return this.events.onError(JSON.stringify(error));
    this.events.onBusy();
    const afterMs = error.retryAfterMs ?? 1_000;
    const laterMs = this.hasJitter ? afterMs * (1 + Math.random()) : afterMs;
    open.since = Number.POSITIVE_INFINITY;
    setTimeout(() => this.sendAgain(requestId), laterMs);
  }

  /** Sends again what has had no answer for 5 s, as every client does. */
  repeat(): void {
    const before = performance.now() - UNANSWERED_MS;
    for (const [requestId, { since }] of this.unanswered) if (since < before) this.sendAgain(requestId);
  }

  private sendAgain(requestId: number): void {
    const open = this.unanswered.get(requestId);
    if (open === undefined) return;
    open.since = performance.now();
    this.write(encodeFrame(Command.SEND, requestId, open.payload));
  }

  private deliver(payload: Uint8Array): void {
    const { epoch, events } = decodePayload(payload) as {
      epoch: string;
      events: [number, LoadedEvent][];
    };
    for (const [inboxSeq] of events) {
      if (epoch !== this.inbox.epoch || inboxSeq !== this.inbox.seq + 1) this.events.onError(`hole before ${inboxSeq}`);
      this.inbox = { epoch, seq: inboxSeq };
    }
    this.takeEvents(events.map(([, event]) => event));
    this.unacknowledged += events.length;
    if (this.unacknowledged >= ACK_EVENTS) this.acknowledge();
    else this.ackTimer ??= setTimeout(() => this.acknowledge(), ACK_MS);
  }

  private takeEvents(events: LoadedEvent[]): void {
    for (const event of events) {
      const last = this.lastSeqs.get(event.conversationId) ?? this.firstSeq;
      const isNext = event.seq > last && event.seq <= Math.max(last, this.toldOf) + 1;
      if (!isNext) this.events.onError(`seq ${event.seq} after ${last} in ${event.conversationId}`);
      this.lastSeqs.set(event.conversationId, event.seq);
      this.events.onEvent(event);
    }
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
