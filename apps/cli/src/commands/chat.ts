/**
 * `carillon chat ME [PEER]`: a chat in the terminal. Each typed line goes to the peer. `/to USER` changes the peer, `/quit`
 * ends the chat. When standard input is a file or a pipe, the chat ends when all lines have their numbers.
 */
import { createInterface } from "node:readline";
import { randomId } from "@carillon/base";
import {
  CarillonClient,
  CarillonError,
  type ConversationRow,
  type Event,
  HttpApi,
  type Recipient,
} from "@carillon/client";
import { Command, Option } from "commander";
import { parseCount } from "../command";
import { runningApi } from "../config";
import { NotReached } from "../output/failures";
import { readPassword } from "../output/password";
import { colours as pc, terminalText, visible } from "../output/print";
import { ranTrusting } from "../trust";
import { checkUserId } from "./sessions";

/** Maximum number of unread messages shown of one conversation. */
const MOST_UNREAD = 50;

interface ChatOptions {
  data?: string;
  api?: string;
  register?: boolean;
  passwordFile?: string;
  device: string;
  transport: "ws" | "tcp" | "udp";
  wait?: number;
}

export function chatCommand(): Command {
  return new Command("chat")
    .description("chat in the terminal; each typed line is sent")
    .argument("<me>", "your user id")
    .argument("[peer]", "user id of the recipient; /to USER changes it")
    .option("--data <dir>", "data directory of the cluster (default: CARILLON_DATA, or ./.carillon)")
    .option("--api <url>", "address of the HTTP API, instead of --data")
    .option("--register", "create the account if it does not exist")
    .option("--password-file <file>", "file whose first line is the password (default: the command asks for it)")
    .option("--device <id>", "device id", `cli-${randomId(8)}`)
    .option(
      "--wait <count>",
      "without a terminal: stay until this number of messages from others has arrived",
      parseCount,
    )
    .addOption(
      new Option("--transport <name>", "transport of the connection").choices(["ws", "tcp", "udp"]).default("ws"),
    )
    .action(chat);
}

async function chat(me: string, peer: string | undefined, options: ChatOptions): Promise<void> {
  for (const userId of peer === undefined ? [me] : [me, peer]) checkUserId(userId);
  const { api, caFile } = options.api === undefined ? runningApi(options.data) : { api: options.api };
  if (await ranTrusting(caFile)) return;
  await checkReached(api);
  const password = await readPassword(me, options.passwordFile);
  if (options.register === true) await register(api, me, password);
  const { device: deviceId, transport } = options;
  const credentials = { userId: me, password };
  const client = new CarillonClient({ api, credentials, deviceId, platform: "desktop", transport });
  const view = new ChatView(client, me);
  try {
    await client.connect().catch(explain);
    await talk(client, view, peer, options.wait ?? 0);
  } finally {
    await client.close();
  }
}

/** Sends the lines of standard input until it ends, or the user quits. */
async function talk(
  client: CarillonClient,
  view: ChatView,
  firstPeer: string | undefined,
  wait: number,
): Promise<void> {
  let peer = firstPeer;
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: process.stdin.isTTY === true,
  });
  const sending: Promise<unknown>[] = [];
  const unsubscribe = client.on("state", ({ name }) => {
    if (name === "closed") lines.close();
  });
  if (peer !== undefined) view.say(pc.dim(`writing to ${peer}; /to USER changes that, /quit ends`));
  for await (const line of lines) {
    const [word, argument] = line.trim().split(/\s+/);
    if (word === "/quit") break;
    if (word === "/to") {
      checkUserId(argument ?? "");
      peer = argument;
    } else if (word !== "" && peer === undefined) view.say(pc.yellow("no recipient: choose one with /to USER"));
    else if (word !== "") sending.push(view.send(`u:${peer}`, line));
  }
  lines.close();
  const results = await Promise.all(sending);
  if (!process.stdin.isTTY) await view.seen(wait);
  unsubscribe();
  const { state } = client;
  if (state.name === "closed" && state.error !== undefined) throw state.error;
  if (results.includes(false)) throw new Error("not every message could be sent");
}

/** Prints incoming messages with time and sender, and own messages with their marks. */
class ChatView {
  /** Keys of printed messages: an unread message may come from the history and live as well. */
  private readonly shown = new Set<string>();
  private received = 0;
  private changed: () => void = () => {};

  constructor(
    private readonly client: CarillonClient,
    private readonly me: string,
  ) {
    client.on("message", (event) => this.show(event));
    client.on("receipt", ({ kind, userId, seq }) => this.say(pc.dim(`  ${kind} by ${visible(userId)} up to ${seq}`)));
    client.on("resync", (rows) => this.showUnread(rows));
    client.on("state", (state) => {
      if (state.name === "online") this.say(pc.dim(`connected to ${visible(state.gatewayId)}`));
      if (state.name === "waiting") this.say(pc.yellow(`${visible(state.error.message)}; trying again`));
      if (state.name === "closed") this.changed();
    });
  }

  /** @param line may contain colours; the caller passes texts of other users through `visible` */
  say(line: string): void {
    process.stdout.write(`${terminalText(line)}\n`);
  }

  /** @returns whether the message has its number */
  async send(to: Recipient, content: string): Promise<boolean> {
    try {
      const { seq, sentAt } = await this.client.send(to, content);
      this.say(`${pc.dim(timeOf(sentAt))} ${pc.green("sent")} ${pc.dim(`#${seq}`)} ${visible(content)}`);
      return true;
    } catch (error) {
      this.say(`${pc.red("not sent")} ${visible(`${content}: ${(error as Error).message}`)}`);
      return false;
    }
  }

  /** Resolves when `count` messages of other users have arrived, or the client is closed. */
  async seen(count: number): Promise<void> {
    while (this.received < count && this.client.state.name !== "closed") {
      await new Promise<void>((resolve) => {
        this.changed = resolve;
      });
    }
  }

  /** Shows the unread messages of a device that is new, or was away for too long. */
  private async showUnread(rows: ConversationRow[]): Promise<void> {
    this.say(pc.dim(`${rows.length} conversations`));
    for (const { conversationId, lastSeq, readSeq, clearedSeq } of rows.filter((row) => row.unread > 0)) {
      const from = Math.max(readSeq, clearedSeq);
      // Later messages come live.
      const range = { before: lastSeq + 1, limit: Math.min(lastSeq - from, MOST_UNREAD) };
      const { messages } = await this.client.history(conversationId, range);
      for (const event of messages) if (event.seq > from) this.show(event);
    }
  }

  private show({ senderId, conversationId, seq, content, contentType, sentAt }: Event): void {
    const key = `${conversationId} ${seq}`;
    if (senderId === this.me || this.shown.has(key)) return;
    this.shown.add(key);
    const text = visible(contentType === "text" ? (content ?? "") : `(${contentType})`);
    this.say(`${pc.dim(timeOf(sentAt))} ${pc.cyan(visible(senderId))} ${pc.dim(`#${seq}`)} ${text}`);
    // A message on the terminal counts as read. A failure of this mark has no consequence here.
    void this.client.markRead(conversationId, seq).catch(() => {});
    this.received++;
    this.changed();
  }
}

/** Checks the address first: the client would retry for ever, which is right for an app but wrong for a command. */
async function checkReached(api: string): Promise<void> {
  const isThere = URL.canParse(api) && (await fetch(new URL("/healthz", api)).catch(() => undefined))?.ok === true;
  if (!isThere) throw new NotReached(`the API at ${api} does not answer`);
}

/** Creates the account. An existing account is no error: `--register` asks only that it exists. */
async function register(api: string, userId: string, password: string): Promise<void> {
  await new HttpApi(api).register(userId, userId, password).catch((error: Error) => {
    if (!(error instanceof CarillonError) || error.name !== "CONFLICT") return explain(error);
  });
}

function explain(error: Error): never {
  if (error instanceof CarillonError && error.name === "UNAVAILABLE") throw new NotReached(error.message);
  throw error;
}

function timeOf(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}
