/** The clients of a run, and the pace at which they write. */
import { sleep } from "@carillon/base";
import { type DeviceView, History, type SentMessage } from "@carillon/testkit";
import { type GroupChat, makeGroup } from "./group-chat";
import type { Account, LoadDevice } from "./load-device";
import { registerDevices, registerPairs, secondDeviceOf } from "./people";
import { RawDevice } from "./raw-device";
import { SdkDevice } from "./sdk-device";

/** Maximum number of messages of one device without an answer: a person stops writing when nothing gets through. */
const MOST_UNANSWERED = 64;
const TICK_MS = 20;
/** Five members and the visitor. */
const GROUP_PAIRS = 3;
const RAW_TRANSPORTS = ["tcp", "ws", "json"] as const;

export interface LoadOptions {
  /** Data directory of the cluster. */
  directory: string;
  api: string;
  partitions: number;
  /** Pairs of SDK clients, and of raw clients, that write to each other. */
  sdkPairs: number;
  rawPairs: number;
  /** Groups of raw clients, each with a visitor. */
  groups: number;
  /** Messages per second of all clients together. */
  rate: number;
}

export class Load {
  readonly history = new History();
  private readonly devices: LoadDevice[] = [];
  /** The visitors of groups, who write nothing; the checker knows the events that they must show. */
  private readonly visitors: RawDevice[] = [];
  private timer: NodeJS.Timeout | undefined;
  private next = 0;
  private written = 0;
  private startedAt = 0;
  private accounts: Account[] = [];
  private strangers: Account[] = [];
  private groupChats: GroupChat[] = [];
  /** Minimum size of a message. */
  contentBytes = 0;

  constructor(private readonly options: LoadOptions) {}

  /** Registers and connects all users; nothing is sent yet. */
  async connect(): Promise<void> {
    const { directory, api, partitions, sdkPairs, rawPairs, groups } = this.options;
    const accounts = await registerPairs(directory, sdkPairs + rawPairs + 1 + groups * GROUP_PAIRS, partitions);
    for (let i = 0; i < groups; i++) {
      const [owner] = await registerDevices(directory, ["owner"]);
      this.groupChats.push(await makeGroup(api, owner, accounts.splice(-2 * GROUP_PAIRS)));
    }
    this.strangers = accounts.splice(-2);
    this.accounts = accounts;
    accounts.forEach((account, index) => {
      const recorder = this.history.device(`${account.userId}/${account.deviceId}`, account.userId);
      const device =
        index < 2 * sdkPairs
          ? new SdkDevice(api, account, recorder, index % 4 < 2 ? "ws" : "tcp")
          : new RawDevice(api, account, recorder, RAW_TRANSPORTS[index % 3]!);
      this.devices.push(device);
    });
    for (const { members, visitor } of this.groupChats) {
      for (const [index, account] of [...members, visitor].entries()) {
        const recorder = this.history.device(`${account.userId}/${account.deviceId}`, account.userId);
        const raw = () => new RawDevice(api, account, recorder, RAW_TRANSPORTS[index % 3]!);
        if (account === visitor) this.visitors.push(raw());
        else this.devices.push(index === 0 ? new SdkDevice(api, account, recorder, "ws") : raw());
      }
    }
    await Promise.all([...this.devices, ...this.visitors].map((device) => device.connect()));
    for (const group of this.groupChats) await group.fill();
  }

  /** Returns one of the groups. */
  groupChat(target: number): GroupChat | undefined {
    return this.groupChats[target % Math.max(1, this.groupChats.length)];
  }

  get size(): number {
    return this.devices.length;
  }

  get userIds(): string[] {
    return [...this.devices, ...this.visitors].map(({ history }) => history.userId);
  }

  /** The users who write: their lists of conversations are compared in the end. */
  get readers(): Account[] {
    return [...this.accounts, ...this.groupChats.flatMap(({ members }) => members)];
  }

  /** Returns the lists that devices keep by themselves. */
  get views(): DeviceView[] {
    return this.devices.flatMap(({ history, list }) =>
      list === undefined ? [] : [{ device: history.name, rows: list }],
    );
  }

  /** Creates a registered user who does nothing unasked. */
  get stranger(): Account {
    return this.strangers[0]!;
  }

  get api(): string {
    return this.options.api;
  }

  /** Returns one of the writers on another device. */
  secondDevice(target: number): Account {
    return this.secondDeviceOf(this.accounts[target % this.accounts.length]!);
  }

  secondDeviceOf(account: Account): Account {
    return secondDeviceOf(this.options.directory, account);
  }

  /** Returns the address to which an account should connect. */
  async gatewayOf({ token }: Account): Promise<{ ws: string; tcp: string }> {
    const answer = await fetch(`${this.options.api}/v1/route`, { headers: { authorization: `Bearer ${token}` } });
    return ((await answer.json()) as { gateways: { ws: string; tcp: string }[] }).gateways[0]!;
  }

  /** Returns one of the raw clients. */
  rawDevice(target: number): RawDevice | undefined {
    const raw = this.devices.filter((device) => device instanceof RawDevice);
    return raw[target % Math.max(1, raw.length)];
  }

  start(): void {
    this.startedAt = performance.now();
    this.written = 0;
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Lets every device write once more, so that every conversation has an event after the last fault. */
  writeLastWords(): void {
    for (const device of this.devices) device.send("last words");
  }

  /** Messages that have an answer. */
  get acknowledged(): number {
    return this.history.messages.filter(({ answers }) => answers.length > 0).length;
  }

  /** Messages that have no answer yet. */
  get unanswered(): number {
    return this.devices.reduce((sum, device) => sum + device.unanswered, 0);
  }

  /** Returns what is missing; undefined when every message has an answer, and every device has shown all acknowledged messages. */
  get unrest(): string | undefined {
    const busy = this.devices.find((device) => device.unanswered > 0);
    if (busy !== undefined) {
      const { unanswered, history, state } = busy;
      return `${unanswered} messages of ${history.name} have no answer${state === undefined ? "" : ` (${state})`}`;
    }
    const behind = this.devices.find((device) => device.behind !== undefined);
    if (behind !== undefined) return `${behind.history.name} ${behind.behind}`;
    const last = new Map<string, number>();
    for (const { conversationId, answers } of this.history.messages as SentMessage[]) {
      for (const { seq } of answers) last.set(conversationId, Math.max(seq, last.get(conversationId) ?? 0));
    }
    const due = new Map<string, number>();
    const newest = (userId: string, conversationId: string) =>
      this.devices
        .find(({ history }) => history.userId === userId)
        ?.history.shown.findLast((event) => event.conversationId === conversationId)?.seq ?? 0;
    for (const [conversationId, seq] of last) {
      const group = this.groupChats.find((one) => one.conversationId === conversationId);
      // Members of a group joined at different numbers, so only the last number is the same for all.
      const late = group?.members.find(({ userId }) => newest(userId, conversationId) < seq);
      if (late !== undefined) return `${late.userId} has not been shown number ${seq} of ${conversationId}`;
      if (group !== undefined) continue;
      for (const userId of conversationId.split(":").slice(1)) due.set(userId, (due.get(userId) ?? 0) + seq);
    }
    for (const { history } of this.devices) {
      const shown = history.shown.filter(({ conversationId }) => conversationId.startsWith("p:")).length;
      const all = due.get(history.userId) ?? 0;
      if (shown < all) return `${history.name} has been shown ${shown} of ${all} events`;
    }
    return undefined;
  }

  /** Waits until every message was answered and shown. @returns what is missing after `ms`; undefined: nothing */
  async comesToRest(ms: number): Promise<string | undefined> {
    const deadline = performance.now() + ms;
    while (true) {
      const { unrest } = this;
      if (unrest === undefined || performance.now() > deadline) return unrest;
      await sleep(100);
    }
  }

  async close(): Promise<void> {
    this.stop();
    await Promise.all([...this.devices, ...this.visitors].map((device) => device.close()));
  }

  private content(): string {
    return `message ${this.written} `.padEnd(this.contentBytes, "x");
  }

  /** Keeps the rate on average. It skips a client with too many unanswered messages, and does not make up for its messages. */
  private tick(): void {
    const due = Math.floor(((performance.now() - this.startedAt) / 1_000) * this.options.rate);
    for (; this.written < due; this.written++) {
      const device = this.devices[this.next++ % this.devices.length]!;
      if (device.unanswered < MOST_UNANSWERED) device.send(this.content());
    }
  }
}
