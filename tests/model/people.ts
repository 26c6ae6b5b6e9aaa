/** Users with real devices at a real cluster, who execute the operations. */
import { randomId } from "@carillon/base";
import { CarillonClient, type Content, MemoryStorage, type Recipient } from "@carillon/client";
import { type ViewConversation, viewOf } from "@carillon/client/view";
import {
  CarillonError,
  type ConversationRow,
  type Event,
  parseSystemContent,
  privateConversationId,
} from "@carillon/protocol";
import { peopleAt, type TestCluster } from "@carillon/testkit";
import { lineOf, type ModelEvent, type Row } from "./conversation";
import { SKIPPED } from "./model";
import { type Arrangement, DEVICES, type Operation, PEOPLE } from "./operations";

/** A muted member stays muted for the whole run. */
const LONG_MS = 3_600_000;

interface Device {
  deviceId: string;
  /** Half of the people use each transport. */
  transport: "tcp" | "ws";
  token: string;
  storage: MemoryStorage;
  client: CarillonClient | undefined;
  /** The lines that the device has shown, by conversation, in their order. */
  shown: Map<string, { seq: number; event: ModelEvent }[]>;
}

interface Person {
  userId: string;
  devices: Device[];
}

export class People {
  private readonly people: Person[] = [];
  private readonly groupIds = new Map<number, string>();

  /** @param key API key that may create users and tokens */
  private constructor(
    private readonly cluster: TestCluster,
    private readonly key: string,
  ) {}

  /** Creates new people without relations, with all their devices connected. */
  static async come(cluster: TestCluster, key: string): Promise<People> {
    const people = new People(cluster, key);
    const run = randomId(8);
    await Promise.all(
      Array.from({ length: PEOPLE }, async (_, i) => {
        people.people[i] = await people.make(`p${i}-${run}`, i % 2 === 0 ? "tcp" : "ws");
      }),
    );
    const devices = people.people.flatMap((person) => person.devices);
    await Promise.all(devices.map((device) => people.connect(device)));
    return people;
  }

  async go(): Promise<void> {
    const devices = this.people.flatMap((person) => person.devices);
    await Promise.all(devices.map((device) => device.client?.close()));
  }

  /** Connects all devices again. */
  async comeBack(): Promise<void> {
    const away = this.people.flatMap((person) => person.devices).filter(({ client }) => client === undefined);
    await Promise.all(away.map((device) => this.connect(device)));
  }

  /** Returns the lines that a device has shown of the conversation in the end. */
  viewOf(who: number, device: number, conversationId: string): string[] {
    const shown = this.people[who]!.devices[device]!.shown.get(conversationId) ?? [];
    return shown.map(({ seq, event }) => lineOf(seq, event));
  }

  chatId(who: number, whom: number): string {
    return privateConversationId(this.people[who]!.userId, this.people[whom]!.userId);
  }

  groupChatId(group: number): string {
    return `g:${this.groupIds.get(group)}`;
  }

  /** Returns the conversations of which any device of this person has shown an event. */
  conversationsOf(who: number): string[] {
    return [...new Set(this.people[who]!.devices.flatMap(({ shown }) => [...shown.keys()]))];
  }

  /** Returns the lines of a conversation from the HTTP API for a person, or the name of the error. */
  async historyOf(who: number, conversationId: string): Promise<string[]> {
    const { status, body } = await this.call(who, "GET", `/v1/conversations/${conversationId}/messages?limit=200`);
    if (status !== 200) return [body.name];
    return (body.messages as Event[]).map((event) => lineOf(event.seq, this.toModel(event)));
  }

  /** Returns a list of the HTTP API as numbers of people: the friends, or the blocked people. */
  async listed(who: number, list: "friends" | "blocks"): Promise<number[]> {
    const { body } = await this.call(who, "GET", `/v1/${list}`);
    return (body.items as { userId: string }[]).map(({ userId }) => this.numberOf(userId)).sort();
  }

  /** Returns a person's list of conversations, by id. */
  async rowsOf(who: number): Promise<Map<string, Row>> {
    const { body } = await this.call(who, "GET", "/v1/conversations?limit=200");
    return rowsById(body.items);
  }

  /** Returns the same list from one of the person's devices, which keeps it up to date by itself. */
  localRowsOf(who: number, device: number): Map<string, Row> {
    const { client } = this.people[who]!.devices[device]!;
    return rowsById(client === undefined ? [] : viewOf(client).conversations);
  }

  async membersOf(who: number, group: number): Promise<string[]> {
    const { body } = await this.call(who, "GET", `/v1/groups/${this.groupIds.get(group)}/members`);
    return (body.items as { userId: string; role: string }[])
      .map((row) => `${this.numberOf(row.userId)} ${row.role}`)
      .sort();
  }

  /** @returns the answer to the person who acts */
  async perform(op: Operation): Promise<string> {
    const friend = (list: string) => this.change(op.who, list);
    switch (op.do) {
      case "befriend": {
        const asked = await this.perform({ ...op, do: "ask" });
        return `${asked} ${await this.perform({ do: "accept", who: op.whom, whom: op.who })}`;
      }
      case "ask":
        return this.change(op.who, "POST /v1/friend-requests", { userId: this.id(op.whom) });
      case "accept":
      case "reject":
        return friend(`POST /v1/friend-requests/${this.id(op.whom)}/${op.do}`);
      case "unfriend":
        return friend(`DELETE /v1/friends/${this.id(op.whom)}`);
      case "block":
        return friend(`PUT /v1/blocks/${this.id(op.whom)}`);
      case "unblock":
        return friend(`DELETE /v1/blocks/${this.id(op.whom)}`);
      case "write":
        return this.send(op.who, `u:${this.id(op.whom)}`, op.text);
      case "recall":
        return this.recall(op.who, this.chatId(op.who, op.whom), op.which);
      case "arrange":
        return this.arrange(op.who, this.chatId(op.who, op.whom), op.how);
      case "read":
        return this.read(op.who, this.chatId(op.who, op.whom), op.which);
      case "offline":
        return this.disconnect(this.people[op.who]!.devices[op.device]!);
      case "online":
        return this.connect(this.people[op.who]!.devices[op.device]!);
      case "create":
        return this.create(op);
      default:
        return this.performInGroup(op);
    }
  }

  private async performInGroup(op: Extract<Operation, { group: number | undefined }>): Promise<string> {
    const { who } = op;
    const groupId = op.group === undefined ? undefined : this.groupIds.get(op.group);
    if (op.do === "look") {
      await this.people[who]!.devices[op.device]!.client?.focus(groupId === undefined ? null : `g:${groupId}`);
      return "ok";
    }
    if (groupId === undefined) return SKIPPED;
    const path = `/v1/groups/${groupId}`;
    switch (op.do) {
      case "join":
        return this.change(who, `POST ${path}/members`, { userId: this.id(op.whom) });
      case "let-in":
      case "turn-down":
        return this.change(
          who,
          `POST ${path}/requests/${this.id(op.whom)}/${op.do === "let-in" ? "accept" : "reject"}`,
        );
      case "remove":
        return this.change(who, `DELETE ${path}/members/${this.id(op.whom)}`);
      case "transfer":
        return this.change(who, `POST ${path}/transfer`, { userId: this.id(op.whom) });
      case "role":
        return this.change(who, `PATCH ${path}/members/${this.id(op.whom)}`, { role: op.role });
      case "mute": {
        const mutedUntil = op.isMuted ? this.mutedUntil : 0;
        return this.change(who, `PATCH ${path}/members/${this.id(op.whom)}`, { mutedUntil });
      }
      case "mute-all":
        return this.change(who, `PATCH ${path}`, { muted: op.isMuted });
      case "dissolve":
        return this.change(who, `DELETE ${path}`);
      case "say":
        return this.send(who, `g:${groupId}`, op.text);
      case "arrange-in":
        return this.arrange(who, `g:${groupId}`, op.how);
      case "read-in":
        return this.read(who, `g:${groupId}`, op.which);
      case "recall-in":
        return this.recall(who, `g:${groupId}`, op.which);
      case "create":
        throw new Error("the group is there already");
    }
  }

  private readonly mutedUntil = Date.now() + LONG_MS;
  /** Last numbers of the conversations, from answers and shown events: recalls count back from them. */
  lastSeqOf: (conversationId: string) => number = () => 0;

  private async create(op: Extract<Operation, { do: "create" }>): Promise<string> {
    if (this.groupIds.has(op.group)) return SKIPPED;
    const members = op.others.map((other) => this.id(other));
    const body = { name: "a group", joinPolicy: op.joinPolicy, members };
    const answer = await this.call(op.who, "POST", "/v1/groups", body);
    if (answer.status !== 201) return answer.body.name;
    this.groupIds.set(op.group, answer.body.groupId);
    return "ok";
  }

  private async send(who: number, to: Recipient, content: Content): Promise<string> {
    return this.withClient(who, async (client) => `SENT ${(await client.send(to, content)).seq}`);
  }

  private async recall(who: number, conversationId: string, which: number): Promise<string> {
    const last = this.lastSeqOf(conversationId);
    if (which >= last) return SKIPPED;
    return this.withClient(who, async (client) => `SENT ${(await client.recall(conversationId, last - which)).seq}`);
  }

  private async read(who: number, conversationId: string, which: number): Promise<string> {
    const last = this.lastSeqOf(conversationId);
    if (which >= last) return SKIPPED;
    return this.withClient(who, async (client) => {
      await client.markRead(conversationId, last - which);
      return "ok";
    });
  }

  private arrange(who: number, conversationId: string, how: Arrangement): Promise<string> {
    const settings =
      how === "clear"
        ? { clear: true }
        : how === "pin" || how === "unpin"
          ? { pinned: how === "pin" }
          : { muted: how === "mute" };
    return this.change(who, `PATCH /v1/conversations/${conversationId}`, settings);
  }

  /** Returns a connected device of the person; if none is connected, the first device connects. */
  private async withClient(who: number, work: (client: CarillonClient) => Promise<string>): Promise<string> {
    const { devices } = this.people[who]!;
    const device = devices.find(({ client }) => client !== undefined) ?? devices[0]!;
    await this.connect(device);
    return work(device.client!).catch((error: unknown) => {
      if (error instanceof CarillonError) return error.name;
      throw error;
    });
  }

  private async change(who: number, what: string, body?: object): Promise<string> {
    const [method, path] = what.split(" ") as [string, string];
    const answer = await this.call(who, method, path, body);
    if (answer.status >= 400) return answer.body.name;
    return answer.body?.state === "asked" && answer.status === 202 ? "asked" : "ok";
  }

  private call(who: number, method: string, path: string, body?: object) {
    const { token } = this.people[who]!.devices[0]!;
    return this.cluster.http(method, path, { token, ...(body === undefined ? {} : { body }) });
  }

  private async make(userId: string, transport: Device["transport"]): Promise<Person> {
    const asKey = { token: this.key };
    const { patiently } = peopleAt(() => this.cluster.info().api);
    await patiently("POST", "/v1/admin/users", { ...asKey, body: { userId, displayName: userId } });
    const devices = await Promise.all(
      Array.from({ length: DEVICES }, async (_, i): Promise<Device> => {
        const wanted = { userId, deviceId: `d${i}`, platform: "desktop" };
        const { status, body } = await patiently("POST", "/v1/admin/tokens", { ...asKey, body: wanted });
        if (status !== 200) throw new Error(`no token: ${JSON.stringify(body)}`);
        const { deviceId } = wanted;
        return {
          deviceId,
          transport,
          token: body.accessToken,
          storage: new MemoryStorage(),
          client: undefined,
          shown: new Map(),
        };
      }),
    );
    return { userId, devices };
  }

  private async connect(device: Device): Promise<string> {
    if (device.client !== undefined) return "ok";
    const { deviceId, transport, token, storage } = device;
    const { api } = this.cluster.info();
    const client = new CarillonClient({ api, deviceId, platform: "desktop", transport, token, storage });
    device.client = client;
    // The device keeps the list from the first look on.
    viewOf(client);
    for (const kind of ["message", "system", "recall"] as const) client.on(kind, (event) => this.show(device, event));
    await client.connect();
    return "ok";
  }

  private async disconnect(device: Device): Promise<string> {
    const { client } = device;
    device.client = undefined;
    await client?.close();
    return "ok";
  }

  private show(device: Device, event: Event): void {
    const { conversationId, seq, targetSeq } = event;
    const shown = device.shown.get(conversationId) ?? [];
    device.shown.set(conversationId, shown);
    shown.push({ seq, event: this.toModel(event) });
    if (event.kind !== "recall") return;
    for (const one of shown) if (one.seq === targetSeq) one.event.isRecalled = true;
  }

  private toModel({ kind, senderId, content, targetSeq }: Event): ModelEvent {
    const who = this.numberOf(senderId);
    if (kind === "recall") return { kind, who, what: `${targetSeq}`, isRecalled: false };
    const what = kind === "system" ? (parseSystemContent(content)?.type ?? "?") : (content ?? "");
    return { kind, who, what, isRecalled: content === undefined };
  }

  private id(who: number): string {
    return this.people[who]!.userId;
  }

  private numberOf(userId: string): number {
    return this.people.findIndex((person) => person.userId === userId);
  }
}

function rowsById(items: readonly (ConversationRow | ViewConversation)[]): Map<string, Row> {
  return new Map(
    items.map(({ conversationId, lastSeq, readSeq, unread, pinned, muted, peerReadSeq, peerDeliveredSeq }) => [
      conversationId,
      {
        ...{ lastSeq, readSeq, unread, pinned, muted },
        ...(peerReadSeq === undefined ? {} : { peerReadSeq }),
        ...(peerDeliveredSeq === undefined ? {} : { peerDeliveredSeq }),
      },
    ]),
  );
}
