/** Users who write, repeat messages with and without an answer, and reuse ids for other texts. */
import { partitionOf, uuidv7 } from "@carillon/base";
import { apiLink, decodeRequestBatch, encodeRequestBatch, type SendRequest } from "@carillon/bus";
import { Command, decodeFrames, decodePayload, privateConversationId } from "@carillon/protocol";
import type { Network } from "./connection";
import { GROUP_CONVERSATION, type SimGroups } from "./groups";
import { idOf, type LogObserver } from "./observer";

/** Users whose conversations lie in each of four partitions. */
const USERS = ["ann", "bea", "cem", "dov", "elo"];
const ANSWER_MS = 4_000;
const CLOCK = Date.UTC(2026, 0, 1);

interface Message {
  /** The observer's name of the message. */
  id: string;
  senderId: string;
  conversationId: string;
  clientMsgId: string;
  content: string;
  state: "open" | "sent" | "refused";
  firstRequest: number;
}

interface Request {
  message: Message;
  requestId: number;
  sentAt: number;
  /** The text of this request: a conflicting request has another text than its message. */
  content: string;
  answered: boolean;
  /** Refusals that a client received: these requests must not be stored. */
  refused: boolean;
}

/** Users write by their devices, and into the same conversations another system writes for them, by an api. */
const isByApi = (requestId: number) => requestId % 8 === 0;

export class Clients {
  readonly violations: string[] = [];
  private readonly messages: Message[] = [];
  private readonly requests = new Map<number, Request>();
  private pending: SendRequest[] = [];
  /** Requests of the batches, by partition and sequence in the queue. */
  private readonly batches = new Map<string, number[]>();
  private readonly told = new Set<number>();

  constructor(
    private readonly network: Network,
    private readonly observer: LogObserver,
    private readonly groups: Pick<SimGroups, "mayRefuse">,
  ) {}

  /** One action of a user. */
  act(): void {
    const { random, coverage } = this.network;
    coverage.count("operations");
    const old = this.messages.length > 0 ? random.pick(this.messages) : undefined;
    const kind = random.next();
    if (old !== undefined && kind < 0.14) this.request(old);
    else if (old !== undefined && kind < 0.18) this.request(old, `${old.content}, or rather not`);
    else this.write(kind > 0.93 ? 300_000 : 0);
  }

  /** Returns the text of a recent message without an answer. */
  get openText(): string | undefined {
    return this.messages.findLast(({ state }) => state === "open")?.content;
  }

  /** Repeats requests without an answer. */
  repeat(): void {
    const { now } = this.network.time;
    for (const request of [...this.requests.values()]) {
      if (request.answered || now - request.sentAt < ANSWER_MS || request.message.state !== "open") continue;
      request.answered = true;
      this.request(request.message);
    }
  }

  get openMessages(): number {
    return this.messages.filter(({ state }) => state === "open").length;
  }

  /** Takes frames for connections, as a gateway does. */
  receive(frames: { connection: number; frame: Uint8Array }[]): void {
    const { time, random } = this.network;
    for (const { frame } of frames) {
      const lost = random.chance(0.02);
      const [{ command, requestId, payload }] = decodeFrames(frame).frames as [
        ReturnType<typeof decodeFrames>["frames"][0],
      ];
      const fields = decodePayload(payload);
      this.told.add(requestId);
      this.checkAnswer(command, requestId, fields);
      if (!lost) time.aside(time.now + random.between(0.1, 3), () => this.take(command, requestId, fields));
    }
  }

  /** Checks that are only possible when the simulation is quiet. */
  check(): void {
    for (const message of this.messages) {
      if (message.state === "sent" && !this.observer.byId.has(message.id)) {
        this.violations.push(`I1: ${message.id} was acknowledged and is not in the log`);
      }
    }
    for (const { requestId, refused } of this.requests.values()) {
      if (refused && this.observer.byRequest.has(requestId)) {
        this.violations.push(`I5: request ${requestId} was refused, and is stored`);
      }
    }
    this.checkOrder();
  }

  /** Publishes the gathered requests as a batch into the queue, as a gateway's publisher does. */
  flush(): void {
    if (this.pending.length === 0) return;
    const requests = this.pending;
    this.pending = [];
    const { partitions } = this.network;
    for (let partition = 0; partition < partitions; partition++) {
      const own = requests.filter(({ conversationId }) => partitionOf(conversationId, partitions) === partition);
      this.publish(
        partition,
        "g1",
        own.filter(({ requestId }) => !isByApi(requestId)),
      );
      this.publish(
        partition,
        apiLink("a1"),
        own.filter(({ requestId }) => isByApi(requestId)),
      );
    }
  }

  private publish(partition: number, replyTo: string, requests: SendRequest[]): void {
    if (requests.length === 0) return;
    const { seq } = this.network.streams
      .get(`IN_${partition}`)!
      .publish(encodeRequestBatch({ replyTo, boot: "b1", requests }));
    this.batches.set(
      `${partition} ${seq}`,
      requests.map(({ requestId }) => requestId),
    );
  }

  /** Checks a record that covers these batches and whose writer lives: every request must have its answer. */
  checkAnswered(partition: number, batches: number[]): void {
    for (const requestId of batches.flatMap((seq) => this.batches.get(`${partition} ${seq}`)!)) {
      if (!this.told.has(requestId)) this.violations.push(`I1: request ${requestId} was covered and not answered`);
    }
  }

  private write(ageMs: number): void {
    const { random, time } = this.network;
    const senderId = random.pick(USERS);
    const others = USERS.filter((user) => user !== senderId);
    const peer = random.pick(others);
    const conversationId = random.chance(0.25) ? GROUP_CONVERSATION : privateConversationId(senderId, peer);
    const clientMsgId = uuidv7(CLOCK + Math.floor(time.now) - ageMs);
    const content = `text ${this.messages.length}.`;
    const id = idOf({ senderId, conversationId, clientMsgId });
    const message: Message = { id, senderId, conversationId, clientMsgId, content, state: "open", firstRequest: 0 };
    this.messages.push(message);
    message.firstRequest = this.request(message);
  }

  private request(message: Message, content = message.content): number {
    const { senderId, conversationId, clientMsgId } = message;
    const requestId = this.requests.size + 1;
    const connection = USERS.indexOf(senderId);
    const sentAt = this.network.time.now;
    this.requests.set(requestId, { message, requestId, sentAt, content, answered: false, refused: false });
    this.pending.push({ connection, requestId, senderId, clientMsgId, conversationId, contentType: "text", content });
    return requestId;
  }

  /** Checks an answer at the moment at which a worker sends it. */
  private checkAnswer(command: number, requestId: number, fields: Record<string, unknown>): void {
    const { message, content } = this.requests.get(requestId)!;
    const stored = this.observer.byId.get(message.id);
    if (command === Command.SENT) {
      const { event } = stored ?? {};
      if (event === undefined) this.violations.push(`I1: SENT for request ${requestId}, which is not in the log`);
      else if (event.seq !== fields["seq"] || event.messageId !== fields["messageId"] || event.content !== content) {
        this.violations.push(`I2: SENT for request ${requestId} tells of another message than is stored`);
      }
      if (fields["duplicate"] === true && stored !== undefined) {
        const isOld = this.network.time.now - stored.at > 60_000;
        this.network.coverage.count(`repeats recognised by the ${isOld ? "archive" : "table"}`);
      }
      return;
    }
    const name = fields["name"] as string;
    if (name === "BUSY") this.network.coverage.count("BUSY");
    else if (name === "CONFLICT") this.network.coverage.count("conflicts");
    else if (name === "USER_MUTED") this.network.coverage.count("refused by a rule");
    else if (name === "NOT_A_MEMBER" && this.mayBeStranger(requestId)) this.network.coverage.count("strangers refused");
    else if (name === "INTERNAL" && this.isPutAside(message)) this.network.coverage.count("put aside");
    else this.violations.push(`request ${requestId} was refused by ${name}`);
    if (name !== "BUSY") this.requests.get(requestId)!.refused = true;
    if (name === "CONFLICT" && (stored === undefined || stored.event.content === content)) {
      this.violations.push(`I2: CONFLICT for request ${requestId}, which repeats what is stored`);
    }
  }

  private mayBeStranger(requestId: number): boolean {
    const { message, sentAt } = this.requests.get(requestId)!;
    return message.conversationId === GROUP_CONVERSATION && this.groups.mayRefuse(message.senderId, sentAt);
  }

  /** After three crashes in a row at one place of the queue, a worker takes the next request that it tries there for the cause. */
  private isPutAside({ senderId, clientMsgId }: Message): boolean {
    const letters = [...this.network.streams.get("DEAD")!.messages.values()];
    const requests = letters.flatMap(({ data }) => decodeRequestBatch(data));
    return requests.some((one) => one.senderId === senderId && one.clientMsgId === clientMsgId);
  }

  private take(command: number, requestId: number, fields: Record<string, unknown>): void {
    const request = this.requests.get(requestId)!;
    const { message } = request;
    request.answered = true;
    if (command === Command.SENT) message.state = "sent";
    else if (fields["name"] === "BUSY") {
      const { time } = this.network;
      time.aside(time.now + 500, () => {
        if (message.state === "open") this.request(message);
      });
    } else if (message.state === "open" && request.content === message.content) message.state = "refused";
    else if (message.state === "open") this.request(message);
  }

  /** I3: messages of one connection in one conversation are numbered in their order, if each was stored at the first try. */
  private checkOrder(): void {
    const last = new Map<string, { seq: number; requestId: number }>();
    for (const message of this.messages) {
      const seen = this.observer.byRequest.get(message.firstRequest);
      if (seen === undefined) continue;
      const way = isByApi(message.firstRequest) ? "api" : "device";
      const key = `${message.senderId} ${message.conversationId} ${way}`;
      const before = last.get(key);
      const { seq } = seen.event;
      if (before !== undefined && before.seq > seq) {
        this.violations.push(`I3: request ${message.firstRequest} is before ${before.requestId}`);
      }
      last.set(key, { seq, requestId: message.firstRequest });
    }
  }
}

export { USERS };
