/** A client that scenarios steer: it writes to anyone, reads, looks at large groups, and checks everything that it receives. */
import { uuidv7 } from "@carillon/base";
import { Command, decodePayload, encodeFrame } from "@carillon/protocol";
import { LeanClient, tcpPlace } from "@carillon/testkit";

const UNANSWERED_MS = 5_000;

/** The members of a large group get the same bytes one after the other: the bytes are decoded for the first member. */
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

export interface LoadClientOptions {
  /** Address of the gateway, host:port. */
  tcp: string;
  userId: string;
  token: string;
  deviceId: string;
  /** Receiver of messages for which `send` names none, as SEND names it. */
  to: string;
  events: LoadEvents;
  /** Last number of each conversation before the first event that comes. */
  lastSeq: number;
  /** Whether the client adds a random part to the time after which the server wants a message again; default true. */
  hasJitter?: boolean;
}

export class LoadClient extends LeanClient {
  /** Highest seq seen in each conversation: each must follow the last. */
  private readonly lastSeqs = new Map<string, number>();
  /** Last number of a large group that the client was told of; the numbers up to it may be left out. */
  private toldOf = 0;
  /** Messages without SENT, by requestId: after BUSY the client sends the same message again. */
  private readonly unanswered = new Map<number, { payload: object; since: number }>();

  private constructor(private readonly options: LoadClientOptions) {
    const { tcp, userId, deviceId, token } = options;
    super({ ...tcpPlace(tcp), userId, deviceId, token });
  }

  static async open(options: LoadClientOptions): Promise<LoadClient> {
    const client = new LoadClient(options);
    await client.logIn();
    return client;
  }

  /** Looks at a conversation. */
  focus(conversationId: string): void {
    this.write(encodeFrame(Command.FOCUS, ++this.lastRequestId, { conversationId }));
  }

  /** Sends one message. */
  send(content: string, to = this.options.to): void {
    const payload = { clientMsgId: uuidv7(Date.now()), to, contentType: "text", content };
    const requestId = ++this.lastRequestId;
    this.unanswered.set(requestId, { payload, since: performance.now() });
    this.write(encodeFrame(Command.SEND, requestId, payload));
  }

  /** Marks a conversation as read up to this number; the client does not wait for the answer. */
  read(conversationId: string, seq: number): void {
    this.write(encodeFrame(Command.READ, ++this.lastRequestId, { conversationId, seq }));
  }

  close(): void {
    this.cut();
  }

  /** Sends messages again that have had no answer for 5 s, as every client does. */
  repeat(): void {
    const before = performance.now() - UNANSWERED_MS;
    for (const [requestId, { since }] of this.unanswered) if (since < before) this.sendAgain(requestId);
  }

  protected onFrame(command: number, requestId: number, bytes: Buffer, from: number, to: number): void {
    const { events } = this.options;
    if (command === Command.SENT) {
      this.unanswered.delete(requestId);
      return events.onSent();
    }
    const payload = bytes.subarray(from, to);
    if (command === Command.NOTIFY) {
      this.toldOf = (decodeSame(payload) as { lastSeq: number }).lastSeq;
      events.onNotify?.(this.toldOf);
    } else if (command === Command.PULLED) {
      const pulled = decodeSame(payload) as unknown as { events: LoadedEvent[] };
      for (const event of pulled.events) this.takeEvent(event);
    } else if (command === Command.ERROR) {
      this.retry(requestId, decodePayload(payload) as { name: string; retryAfterMs?: number });
    } else if (command === Command.KICKED || command === Command.GOAWAY) {
      this.onFault(`closed by the gateway: ${command}`);
    }
  }

  /** Decodes the events, since a client has many conversations, and their numbers are checked one by one. */
  protected override onDeliver(bytes: Buffer, from: number, to: number): void {
    const { epoch, events } = decodePayload(bytes.subarray(from, to)) as {
      epoch: string;
      events: [number, LoadedEvent][];
    };
    this.onEpoch(epoch);
    for (const [inboxSeq, event] of events) if (this.takeNumber(inboxSeq)) this.takeEvent(event);
  }

  /** Is never called, since `onDeliver` walks over nothing. */
  protected onMessage(): void {}

  protected onFault(what: string): void {
    this.options.events.onError(what);
  }

  private takeEvent(event: LoadedEvent): void {
    const last = this.lastSeqs.get(event.conversationId) ?? this.options.lastSeq;
    const isNext = event.seq > last && event.seq <= Math.max(last, this.toldOf) + 1;
    if (!isNext) this.onFault(`seq ${event.seq} after ${last} in ${event.conversationId}`);
    this.lastSeqs.set(event.conversationId, event.seq);
    this.options.events.onEvent(event);
  }

  private retry(requestId: number, error: { name: string; retryAfterMs?: number }): void {
    const open = this.unanswered.get(requestId);
    if (error.name !== "BUSY" || open === undefined) return this.onFault(JSON.stringify(error));
    this.options.events.onBusy();
    const afterMs = error.retryAfterMs ?? 1_000;
    const laterMs = this.options.hasJitter === false ? afterMs : afterMs * (1 + Math.random());
    open.since = Number.POSITIVE_INFINITY;
    setTimeout(() => this.sendAgain(requestId), laterMs);
  }

  private sendAgain(requestId: number): void {
    const open = this.unanswered.get(requestId);
    if (open === undefined) return;
    open.since = performance.now();
    this.write(encodeFrame(Command.SEND, requestId, open.payload));
  }
}
