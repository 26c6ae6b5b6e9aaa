/**
 * Users who chat while others attack. Their clients keep the rules: they repeat a message that was refused with BUSY, and
 * acknowledge events. No message may be lost, doubled or out of order, and no bystander may be disconnected.
 */
import { uuidv7 } from "@carillon/base";
import { Command } from "@carillon/protocol";
import type { People, Person, RawClient, RawFrame, RawTransport } from "@carillon/testkit";
import { until } from "@carillon/testkit";

/** Time between two messages, ms; the rate is below the limit of one user. */
const EVERY_MS = 50;

interface Sent {
  requestId: number;
  payload: Record<string, unknown>;
  at: number;
}

/** Times from the sending of messages until their receiver has them, ms. */
export interface Latencies {
  count: number;
  p50: number;
  p99: number;
}

/** A user who writes, and a user who reads. */
class Pair {
  private readonly waiting = new Map<string, Sent>();
  private lastSeq = 0;
  private timer: NodeJS.Timeout | undefined;
  /** Times from sending to receiving, ms. */
  latencies: number[] = [];
  received = 0;

  private constructor(
    private readonly writer: RawClient,
    private readonly reader: RawClient,
    private readonly to: string,
    private readonly onFault: (why: string) => void,
  ) {}

  static async open(people: People, transport: RawTransport, onFault: (why: string) => void): Promise<Pair> {
    const [writing, reading] = [await people.person("writer"), await people.person("reader")];
    const writer = await people.online(writing, transport);
    const reader = await people.online(reading, transport);
    const pair = new Pair(writer, reader, `u:${reading.userId}`, onFault);
    const cut = (person: Person) => (code: number) => onFault(`${person.userId} was cut off with ${code}`);
    writer.listen((frame) => pair.hearAnswer(frame), cut(writing));
    reader.listen((frame) => pair.hearEvents(frame), cut(reading));
    return pair;
  }

  start(): void {
    this.timer = setInterval(() => this.write(), EVERY_MS);
  }

  /** @returns the number of messages that never came */
  async stop(): Promise<number> {
    clearInterval(this.timer);
    await until("all messages of bystanders", () => this.waiting.size === 0).catch(() => {});
    return this.waiting.size;
  }

  close(): void {
    for (const client of [this.writer, this.reader]) {
      client.listen(
        () => {},
        () => {},
      );
      client.close();
    }
  }

  private write(): void {
    const clientMsgId = uuidv7(Date.now());
    const payload = { clientMsgId, to: this.to, contentType: "text", content: "is anybody disturbed?" };
    this.waiting.set(clientMsgId, {
      requestId: this.writer.send(Command.SEND, payload),
      payload,
      at: performance.now(),
    });
  }

  private hearAnswer({ command, requestId, payload }: RawFrame): void {
    if (command === Command.DELIVER) return this.acknowledge(this.writer, payload);
    if (command !== Command.ERROR) return;
    const sent = [...this.waiting.values()].find((one) => one.requestId === requestId);
    if (sent === undefined || (payload.name !== "BUSY" && payload.name !== "RATE_LIMITED")) {
      return this.onFault(`a bystander was answered by ${payload.name}: ${payload.message}`);
    }
    const again = () => {
      sent.requestId = this.writer.send(Command.SEND, sent.payload);
    };
    setTimeout(again, payload.retryAfterMs ?? 1_000);
  }

  private hearEvents({ command, payload }: RawFrame): void {
    if (command !== Command.DELIVER) return;
    for (const [, event] of payload.events) {
      const sent = this.waiting.get(event.clientMsgId);
      if (event.seq <= this.lastSeq) continue;
      if (event.seq !== this.lastSeq + 1) this.onFault(`number ${event.seq} came after ${this.lastSeq}`);
      this.lastSeq = event.seq;
      if (sent === undefined) return this.onFault(`a message came that nobody had sent: ${event.content}`);
      this.waiting.delete(event.clientMsgId);
      this.latencies.push(performance.now() - sent.at);
      this.received++;
    }
    this.acknowledge(this.reader, payload);
  }

  private acknowledge(client: RawClient, { epoch, events }: { epoch: string; events: [number, unknown][] }): void {
    const last = events.at(-1);
    if (last !== undefined) client.send(Command.RECEIVED, { epoch, inboxSeq: last[0] });
  }
}

export class Bystanders {
  private constructor(private readonly pairs: Pair[]) {}

  /** @param onFault called when a bystander was disturbed */
  static async open(people: People, onFault: (why: string) => void): Promise<Bystanders> {
    const pairs: Pair[] = [];
    for (const transport of ["tcp", "ws", "json"] as const) pairs.push(await Pair.open(people, transport, onFault));
    for (const pair of pairs) pair.start();
    return new Bystanders(pairs);
  }

  /** Returns the times from sending to receiving since the last call, ms. */
  takeLatencies(): Latencies {
    const all = this.pairs.flatMap((pair) => pair.latencies.splice(0)).sort((a, b) => a - b);
    const at = (share: number) => all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? Number.NaN;
    return { count: all.length, p50: at(0.5), p99: at(0.99) };
  }

  /** Stops writing, and waits. @returns the number of messages that never came */
  async stop(): Promise<number> {
    const lost = await Promise.all(this.pairs.map((pair) => pair.stop()));
    for (const pair of this.pairs) pair.close();
    return lost.reduce((sum, count) => sum + count, 0);
  }
}
