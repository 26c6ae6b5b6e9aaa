/**
 * A device on the raw client that uses the protocol hard: it has many messages under way at once, sends some twice, and repeats
 * some long after their answers. It records every inbox number that it gets.
 */
import { sleep, uuidv7 } from "@carillon/base";
import type { Event } from "@carillon/client";
import { Command } from "@carillon/protocol";
import { type DeviceRecorder, RawClient, type RawFrame, type RawTransport, type SentMessage } from "@carillon/testkit";
import type { Account, LoadDevice } from "./load-device";
import { Reader } from "./reader";
import { ShownEvents } from "./shown-events";

const ANSWER_MS = 5_000;
const ACKNOWLEDGE_MS = 50;
const RETRY_MS = 500;
const RECONNECT_MS = [200, 1_000] as const;
/** Refusals after which the same message is sent again. */
const NOT_TAKEN = new Set(["BUSY", "RATE_LIMITED", "UNAVAILABLE", "WRONG_GATEWAY", "INTERNAL"]);
/** Numbers of messages after which one is sent twice at once, and one is repeated 2 s after its answer. */
const DOUBLE_EVERY = 20;
const REPEAT_EVERY = 50;
const REPEAT_MS = 2_000;

const isGroup = (conversationId: string) => conversationId.startsWith("g:");

interface Address {
  ws: string;
  tcp: string;
}

interface Outgoing {
  message: SentMessage;
  /** Time of the last sending; 0: not over this connection. */
  triedAt: number;
}

export class RawDevice implements LoadDevice {
  private client: RawClient | undefined;
  /** The connection that it does not read from. */
  private stalled: RawClient | undefined;
  private connection = 0;
  private cursor: { epoch: string; seq: number } | undefined;
  private readonly shown: ShownEvents;
  private readonly reader: Reader;
  private isReading = false;
  private readonly pending = new Map<string, Outgoing>();
  private readonly requests = new Map<number, SentMessage | ((frame: RawFrame) => void)>();
  private mustCompare = false;
  /** Numbers of a large group: up to the first everything was shown, and up to the second the device got notices. */
  private reached = 0;
  private toldOf = 0;
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
    this.reader = new Reader(recorder, account.conversationId);
    this.resendTimer = setInterval(() => {
      this.resend();
      this.read();
    }, RETRY_MS);
  }

  get history() {
    return this.recorder.history;
  }

  get unanswered(): number {
    return this.pending.size;
  }

  get behind(): string | undefined {
    return this.mustCompare ? "fetches what it missed" : this.reader.behind;
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

  /** Stops reading from its connection until `resumeReading`. */
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
            // The gateway closes an open session at the end of its time; until then it serves the session.
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
    // The device's own cursor holds for a replay; without a cursor, the device begins here.
    if (resume !== "replay" || this.cursor === undefined) this.cursor = inbox;
    if (this.mustCompare) void this.fetchMissing(client);
    // Half of the devices look at their conversation, so they get the events of a large group without asking.
    if (this.transport === "ws") client.send(Command.FOCUS, { conversationId: this.account.conversationId });
    for (const outgoing of this.pending.values()) {
      outgoing.message.repeated ||= outgoing.triedAt > 0;
      this.transmit(outgoing);
    }
  }

  private take(client: RawClient, frame: RawFrame): void {
    if (frame.command === Command.DELIVER) return this.deliver(client, frame.payload);
    if (frame.command === Command.KICKED) return client.close();
    if (frame.command === Command.READ_UPDATE) return this.recorder.marked({ kind: "read", ...frame.payload });
    if (frame.command === Command.DELIVERED_UPDATE)
      return this.recorder.marked({ kind: "delivered", ...frame.payload });
    if (frame.command === Command.NOTIFY) return this.hearOfMore(client, frame.payload);
    if (frame.command === Command.PULLED && frame.requestId === 0) return this.showPage(client, frame.payload);
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

  /** Sends messages again that had no answer in time or were refused for a while, in their order. */
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

  /** Sends the mark that has no answer; one at a time. */
  private read(): void {
    const { client, reader } = this;
    const { pending } = reader;
    if (pending === undefined || this.isReading || client === undefined || client.isClosed) return;
    this.isReading = true;
    const { conversationId, seq } = pending;
    const free = setTimeout(() => {
      this.isReading = false;
    }, ANSWER_MS);
    this.ask(client, Command.READ, { conversationId, seq }, ({ command, payload }) => {
      clearTimeout(free);
      this.isReading = false;
      if (command === Command.OK) reader.answered(seq);
      else if (payload.name === "NO_SUCH_CONVERSATION") reader.giveUp();
    });
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
      if (!this.shown.has(event.conversationId, event.seq)) this.showNext(event, "deliver");
      // The group has become small again: earlier messages must still be fetched.
      if (isGroup(event.conversationId)) this.hearOfMore(client, { ...event, lastSeq: event.seq });
    }
    this.acknowledgeTimer ??= setTimeout(() => {
      this.acknowledgeTimer = undefined;
      const { client: current, cursor, mustCompare } = this;
      if (current?.isClosed !== false || mustCompare || cursor === undefined) return;
      current.send(Command.RECEIVED, { epoch: cursor.epoch, inboxSeq: cursor.seq }, 0);
    }, ACKNOWLEDGE_MS);
  }

  /** Learns that a large group has events up to this number. */
  private hearOfMore(client: RawClient, { conversationId, lastSeq }: RawFrame["payload"]): void {
    if (conversationId !== this.account.conversationId) return;
    this.toldOf = Math.max(this.toldOf, lastSeq);
    this.fetchIfMore(client);
  }

  private showPage(client: RawClient, { events, lastSeq, conversationId }: RawFrame["payload"]): void {
    for (const event of events as Event[]) if (event.seq === this.reached + 1) this.showNext(event, "pull");
    this.hearOfMore(client, { conversationId, lastSeq });
  }

  private fetchIfMore(client: RawClient): void {
    if (this.toldOf <= this.reached || this.mustCompare) return;
    this.mustCompare = true;
    void this.fetchMissing(client);
  }

  /** Shows an event; an event in order moves the place from which the device fetches a large group. */
  private showNext(event: Event, by: "deliver" | "pull"): void {
    const { conversationId, seq } = event;
    this.shown.take(event, by);
    if (conversationId === this.account.conversationId && event.senderId !== this.account.userId) {
      if (this.reader.show(seq)) this.read();
    }
    if (conversationId !== this.account.conversationId || (by === "deliver" && seq !== this.reached + 1)) return;
    this.reached = Math.max(this.reached, seq);
    while (this.shown.has(conversationId, this.reached + 1)) this.reached++;
  }

  private compare(): void {
    this.mustCompare = true;
    this.recorder.resynced();
  }

  /** Reads the conversation from the first missing number to its end; the next connection does it if this one ends. */
  private async fetchMissing(client: RawClient): Promise<void> {
    const { conversationId } = this.account;
    const isLarge = isGroup(conversationId) && this.reached > 0;
    let fromSeq = isLarge ? this.reached + 1 : this.shown.firstMissing(conversationId, Number.MAX_SAFE_INTEGER)!;
    while (this.mustCompare && !this.closed && !client.isClosed) {
      const frame = await new Promise<RawFrame | undefined>((resolve) => {
        setTimeout(() => resolve(undefined), ANSWER_MS).unref();
        this.ask(client, Command.PULL, { conversationId, fromSeq, limit: 64 }, resolve);
      });
      if (frame?.command === Command.PULLED) {
        // A group begins for its member at their join, so the numbers below stay empty.
        for (const event of frame.payload.events as Event[]) {
          this.showNext(event, "pull");
          fromSeq = event.seq + 1;
        }
        const isAll = fromSeq > this.toldOf || frame.payload.events.length === 0;
        if (!frame.payload.more && isAll) this.mustCompare = false;
      } else if (frame?.payload.name === "NO_SUCH_CONVERSATION") this.mustCompare = false;
      else await sleep(RETRY_MS);
    }
  }

  private ask(client: RawClient, command: number, payload: object, onAnswer: (frame: RawFrame) => void): void {
    this.requests.set(client.send(command, payload), onAnswer);
  }
}
