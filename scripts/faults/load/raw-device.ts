/**
 * A device that speaks the protocol by itself, and hard: many messages under way at once, some sent twice, some
 * repeated long after they were answered. It writes down every inbox number that it gets.
 */
import { sleep, uuidv7 } from "@carillon/base";
import type { Event } from "@carillon/client";
import { Command } from "@carillon/protocol";
import { type DeviceRecorder, RawClient, type RawFrame, type RawTransport, type SentMessage } from "@carillon/testkit";
import type { Account, LoadDevice } from "./load-device";
import { ShownEvents } from "./shown-events";

const ANSWER_MS = 5_000;
const ACKNOWLEDGE_MS = 50;
const RETRY_MS = 500;
const RECONNECT_MS = [200, 1_000] as const;
/** Refusals after which the same message is sent again. */
const NOT_TAKEN = new Set(["BUSY", "RATE_LIMITED", "UNAVAILABLE", "WRONG_GATEWAY", "INTERNAL"]);
/** Every so many messages: one is sent twice at once, one is repeated 2 s after its answer. */
const DOUBLE_EVERY = 20;
const REPEAT_EVERY = 50;
const REPEAT_MS = 2_000;

interface Address {
  ws: string;
  tcp: string;
}

interface Outgoing {
  message: SentMessage;
  /** When it was last sent; 0: not over this connection. */
  triedAt: number;
}

export class RawDevice implements LoadDevice {
  private client: RawClient | undefined;
  /** The connection that it does not read from. */
  private stalled: RawClient | undefined;
  private connection = 0;
  private cursor: { epoch: string; seq: number } | undefined;
  private readonly shown: ShownEvents;
  private readonly pending = new Map<string, Outgoing>();
  private readonly requests = new Map<number, SentMessage | ((frame: RawFrame) => void)>();
  private mustCompare = false;
  private acknowledgeTimer: NodeJS.Timeout | undefined;
  private readonly resendTimer: NodeJS.Timeout;
  private closed = false;
  private running: Promise<void> | undefined;
  private count = 0;

  constructor(
    private readonly api: string,
    private readonly account: Account,
    private readonly recorder: DeviceRecorder,
    private readonly transport: RawTransport,
  ) {
    this.shown = new ShownEvents(recorder);
    this.resendTimer = setInterval(() => this.resend(), RETRY_MS);
  }

  get history() {
    return this.recorder.history;
  }

  get unanswered(): number {
    return this.pending.size;
  }

  get isBehind(): boolean {
    return this.mustCompare;
  }

  async connect(): Promise<void> {
    this.running ??= this.run();
    while (this.cursor === undefined && !this.closed) await sleep(20);
  }

  send(content: string): void {
    const { conversationId } = this.account;
    const message = this.recorder.sent({ conversationId, clientMsgId: uuidv7(Date.now()), content });
    const outgoing = { message, triedAt: 0 };
    this.pending.set(message.clientMsgId, outgoing);
    this.transmit(outgoing);
    if (++this.count % DOUBLE_EVERY === 0) this.transmit(outgoing);
  }

  /** Hangs: takes nothing from its connection until it is told to. */
  stopReading(): void {
    this.client?.stopReading();
    this.stalled = this.client;
  }

  resumeReading(): void {
    this.stalled?.resumeReading();
    this.stalled = undefined;
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.resendTimer);
    clearTimeout(this.acknowledgeTimer);
    this.client?.close();
    await this.running;
  }

  private async run(): Promise<void> {
    let address: Address | undefined;
    for (let tries = 0; !this.closed; tries++) {
      const ended = await this.session(address, tries).catch(() => undefined);
      this.client = undefined;
      this.requests.clear();
      this.recorder.offline();
      address = ended;
      if (ended !== undefined) tries = -1;
      else if (!this.closed) await sleep(RECONNECT_MS[0] + Math.random() * (RECONNECT_MS[1] - RECONNECT_MS[0]));
    }
  }

  /** One connection from its beginning to its end. @returns where to go next, if the server said so */
  private async session(sentTo: Address | undefined, tries: number): Promise<Address | undefined> {
    const { token, deviceId } = this.account;
    const { address, fallback } = sentTo === undefined ? await this.route(tries) : { address: sentTo, fallback: false };
    const client = await RawClient.open(this.transport, address);
    let next: Address | undefined;
    const over = new Promise<void>((resolve) => {
      client.listen(
        (frame) => {
          if (frame.command === Command.GOAWAY) {
            next = frame.payload.reconnectTo;
            // Where a session is open the gateway closes it when its time has come; until then it serves.
            if (this.client !== client) client.close();
          } else this.take(client, frame);
        },
        () => resolve(),
      );
    });
    const inbox = this.cursor === undefined ? {} : { inbox: this.cursor };
    const greeting = { token, deviceId, platform: "other", ...inbox, ...(fallback ? { fallback } : {}) };
    const silence = setTimeout(() => client.destroy(), ANSWER_MS);
    this.ask(client, Command.CONNECT, greeting, (frame) => {
      clearTimeout(silence);
      if (frame.command === Command.CONNECTED) this.opened(client, frame.payload);
      else client.close();
    });
    await over;
    clearTimeout(silence);
    return next;
  }

  private async route(tries: number): Promise<{ address: Address; fallback: boolean }> {
    const answer = await fetch(`${this.api}/v1/route`, {
      headers: { authorization: `Bearer ${this.account.token}` },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const { gateways } = (await answer.json()) as { gateways: Address[] };
    const choice = gateways.length > 1 ? tries % 2 : 0;
    return { address: gateways[choice]!, fallback: choice > 0 };
  }

  private opened(client: RawClient, connected: RawFrame["payload"]): void {
    const { inbox, resume, gatewayId } = connected;
    this.client = client;
    this.connection++;
    this.recorder.online(gatewayId);
    if (resume === "resync" && this.cursor !== undefined) this.compare();
    // Our own cursor holds for a replay; without one, this is where the device begins.
    if (resume !== "replay" || this.cursor === undefined) this.cursor = inbox;
    if (this.mustCompare) void this.fetchMissing(client);
    for (const outgoing of this.pending.values()) {
      outgoing.message.repeated ||= outgoing.triedAt > 0;
      this.transmit(outgoing);
    }
  }

  private take(client: RawClient, frame: RawFrame): void {
    if (frame.command === Command.DELIVER) return this.deliver(client, frame.payload);
    if (frame.command === Command.KICKED) return client.close();
    const request = this.requests.get(frame.requestId);
    this.requests.delete(frame.requestId);
    if (typeof request === "function") request(frame);
    else if (request !== undefined) this.answer(request, frame);
  }

  private answer(message: SentMessage, { command, payload }: RawFrame): void {
    const { clientMsgId } = message;
    if (command === Command.SENT) {
      this.recorder.answered(message, payload);
      if (this.pending.delete(clientMsgId) && this.count % REPEAT_EVERY === 0) {
        setTimeout(() => this.transmit({ message, triedAt: 0 }), REPEAT_MS).unref();
      }
    } else if (this.pending.has(clientMsgId)) {
      this.recorder.refused(message, payload.name);
      if (!NOT_TAKEN.has(payload.name)) this.pending.delete(clientMsgId);
      else this.pending.get(clientMsgId)!.triedAt = performance.now() - ANSWER_MS + (payload.retryAfterMs ?? RETRY_MS);
    }
  }

  /** What had no answer in time, or was refused for a while, is sent again in its order. */
  private resend(): void {
    for (const outgoing of this.pending.values()) {
      if (outgoing.triedAt > performance.now() - ANSWER_MS) continue;
      outgoing.message.repeated ||= outgoing.triedAt > 0;
      this.transmit(outgoing);
    }
  }

  private transmit(outgoing: Outgoing): void {
    const { client } = this;
    if (client === undefined || client.isClosed) return;
    const { clientMsgId, content } = outgoing.message;
    outgoing.triedAt = performance.now();
    const payload = { clientMsgId, to: this.account.to, contentType: "text", content };
    this.requests.set(client.send(Command.SEND, payload), outgoing.message);
  }

  private deliver(client: RawClient, { epoch, events }: { epoch: string; events: [number, Event][] }): void {
    if (this.cursor?.epoch !== epoch) {
      this.cursor = { epoch, seq: (events[0]?.[0] ?? 1) - 1 };
      this.compare();
      void this.fetchMissing(client);
    }
    for (const [inboxSeq, event] of events) {
      this.recorder.delivered(this.connection, epoch, inboxSeq, event.conversationId, event.seq);
      this.cursor.seq = Math.max(this.cursor.seq, inboxSeq);
      if (!this.shown.has(event.conversationId, event.seq)) this.shown.take(event, "deliver");
    }
    this.acknowledgeTimer ??= setTimeout(() => {
      this.acknowledgeTimer = undefined;
      const { client: current, cursor, mustCompare } = this;
      if (current?.isClosed !== false || mustCompare || cursor === undefined) return;
      current.send(Command.RECEIVED, { epoch: cursor.epoch, inboxSeq: cursor.seq }, 0);
    }, ACKNOWLEDGE_MS);
  }

  private compare(): void {
    this.mustCompare = true;
    this.recorder.resynced();
  }

  /** Reads the conversation from the first missing number to its end; the next connection does it if this one ends. */
  private async fetchMissing(client: RawClient): Promise<void> {
    const { conversationId } = this.account;
    let fromSeq = this.shown.firstMissing(conversationId, Number.MAX_SAFE_INTEGER)!;
    while (this.mustCompare && !this.closed && !client.isClosed) {
      const frame = await new Promise<RawFrame | undefined>((resolve) => {
        setTimeout(() => resolve(undefined), ANSWER_MS).unref();
        this.ask(client, Command.PULL, { conversationId, fromSeq, limit: 64 }, resolve);
      });
      if (frame?.command === Command.PULLED) {
        // A group begins for its member where he came to it: nothing fills the numbers below.
        for (const event of frame.payload.events as Event[]) {
          this.shown.take(event, "pull");
          fromSeq = event.seq + 1;
        }
        if (!frame.payload.more) this.mustCompare = false;
      } else if (frame?.payload.name === "NO_SUCH_CONVERSATION") this.mustCompare = false;
      else await sleep(RETRY_MS);
    }
  }

  private ask(client: RawClient, command: number, payload: object, onAnswer: (frame: RawFrame) => void): void {
    this.requests.set(client.send(command, payload), onAnswer);
  }
}
