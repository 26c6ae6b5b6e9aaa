/** A device that uses the SDK as an app does: it sends, listens, and fetches missed events after a resync. */
import { sleep, uuidv7 } from "@carillon/base";
import { CarillonClient, type ConversationRow, type Event } from "@carillon/client";
import { viewOf } from "@carillon/client/view";
import type { DeviceRecorder, ListedRow, SentMessage } from "@carillon/testkit";
import { listedRow } from "../snapshots";
import type { Account, LoadDevice } from "./load-device";
import { Reader } from "./reader";
import { ShownEvents } from "./shown-events";

const RETRY_MS = 500;

export class SdkDevice implements LoadDevice {
  private readonly client: CarillonClient;
  private readonly shown: ShownEvents;
  private readonly reader: Reader;
  private isReading = false;
  private readonly missing = new Map<string, number>();
  private fetching = false;
  private waiting = 0;
  private closed = false;

  constructor(
    api: string,
    private readonly account: Account,
    private readonly recorder: DeviceRecorder,
    transport: "ws" | "tcp",
  ) {
    const { deviceId, token } = account;
    this.client = new CarillonClient({ api, deviceId, platform: "other", token, transport });
    // The device keeps the list from the first look on.
    viewOf(this.client);
    this.shown = new ShownEvents(recorder);
    for (const kind of ["message", "system", "recall"] as const) {
      this.client.on(kind, (event) => this.show(event, "deliver"));
    }
    this.reader = new Reader(recorder, account.conversationId);
    this.client.on("receipt", (receipt) => recorder.marked(receipt));
    this.client.on("resync", (rows) => this.resync(rows));
    this.client.on("state", (state) => {
      if (state.name === "online") recorder.online(state.gatewayId);
      else recorder.offline();
    });
  }

  get history() {
    return this.recorder.history;
  }

  get unanswered(): number {
    return this.waiting;
  }

  get behind(): string | undefined {
    return this.missing.size > 0 ? "fetches what it missed" : this.reader.behind;
  }

  get state(): string {
    const { state } = this.client;
    return "error" in state ? `${state.name}: ${state.error?.message}` : state.name;
  }

  get list(): ListedRow[] {
    return viewOf(this.client).conversations.map((row) => listedRow(this.account.userId, row));
  }

  async connect(): Promise<void> {
    await this.client.connect();
  }

  send(content: string): void {
    const { conversationId } = this.account;
    const message = this.recorder.sent({ conversationId, clientMsgId: uuidv7(Date.now()), content });
    this.waiting++;
    void this.sendUntilTaken(message).finally(() => {
      this.waiting--;
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.client.close();
  }

  private show(event: Event, by: "deliver" | "pull"): void {
    const { userId, conversationId } = this.account;
    this.shown.take(event, by);
    if (event.conversationId !== conversationId || event.senderId === userId) return;
    if (this.reader.show(event.seq)) void this.read();
  }

  private async read(): Promise<void> {
    if (this.isReading) return;
    this.isReading = true;
    for (let { pending } = this.reader; pending !== undefined && !this.closed; { pending } = this.reader) {
      const { conversationId, seq } = pending;
      await this.client.markRead(conversationId, seq).then(
        () => this.reader.answered(seq),
        (error: Error) => (error.name === "NO_SUCH_CONVERSATION" ? this.reader.giveUp() : sleep(RETRY_MS)),
      );
    }
    this.isReading = false;
  }

  private async sendUntilTaken(message: SentMessage): Promise<void> {
    const { clientMsgId, content } = message;
    while (!this.closed) {
      try {
        const sent = await this.client.send(this.account.to, { clientMsgId, content });
        return this.recorder.answered(message, sent);
      } catch (error) {
        // The SDK has given up; its user presses "send again".
        const { name, retry } = error as { name: string; retry?: string };
        this.recorder.refused(message, name);
        if (retry === "never") return;
        await sleep(RETRY_MS);
      }
    }
  }

  private resync(rows: ConversationRow[]): Promise<void> | void {
    this.recorder.resynced();
    for (const { conversationId, lastSeq } of rows) this.missing.set(conversationId, lastSeq);
    if (!this.fetching) return this.fetchMissing();
  }

  /** Fetches until nothing is missing, over several connections if needed. */
  private async fetchMissing(): Promise<void> {
    this.fetching = true;
    while (this.missing.size > 0 && !this.closed) {
      const [conversationId, lastSeq] = [...this.missing][0]!;
      const fromSeq = this.shown.firstMissing(conversationId, lastSeq);
      if (fromSeq === undefined) {
        if (this.missing.get(conversationId) === lastSeq) this.missing.delete(conversationId);
        continue;
      }
      try {
        const { events } = await this.client.pull({ conversationId, fromSeq, limit: 64 });
        for (const event of events) if (event.seq <= lastSeq) this.show(event, "pull");
      } catch {
        await sleep(RETRY_MS);
      }
    }
    this.fetching = false;
  }
}
