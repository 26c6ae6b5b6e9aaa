/**
 * A process of its own whose wall clock is wrong (clock-preload.cjs is loaded before it): it sends by the SDK, which
 * dates its ids by the server's clock, and raw, with an id that is dated by its own clock.
 */
import { sleep, uuidv7 } from "@carillon/base";
import { CarillonClient } from "@carillon/client";
import { Command } from "@carillon/protocol";
import { RawClient } from "@carillon/testkit";
import type { Account } from "./load-device";

export interface WrongClockOrder {
  api: string;
  account: Account;
  /** How often the clock is moved: once, an hour ahead; twice, an hour back. */
  moves: 1 | 2;
}

/** The answer to one message. */
export interface WrongClockAnswer {
  clientMsgId: string;
  content: string;
  seq?: number;
  messageId?: string;
  /** Name of the refusal. */
  refused?: string;
}

export interface WrongClockReport {
  /** The process's own time, ms. */
  now: number;
  bySdk: WrongClockAnswer[];
  /** The same message sent three times. */
  raw: WrongClockAnswer[];
}

const SDK_MESSAGES = 5;
const RAW_TRIES = 3;
const RETRY_MS = 500;
/** Time for the archive to get what was sent, so that a repetition is looked up there. */
const ARCHIVED_MS = 2_000;

async function run({ api, account, moves }: WrongClockOrder): Promise<WrongClockReport> {
  for (let i = 0; i < moves; i++) process.emit("SIGWINCH", "SIGWINCH");
  return { now: Date.now(), bySdk: await sendBySdk(api, account), raw: await sendRaw(api, account) };
}

async function sendBySdk(api: string, { deviceId, token, peerId }: Account): Promise<WrongClockAnswer[]> {
  const client = new CarillonClient({ api, deviceId, platform: "other", token, transport: "tcp" });
  await client.connect();
  const answers: WrongClockAnswer[] = [];
  for (let i = 0; i < SDK_MESSAGES; i++) {
    const content = `by the SDK, ${i}`;
    const { clientMsgId, seq, messageId } = await client.send(`u:${peerId}`, content);
    answers.push({ clientMsgId, content, seq, messageId });
  }
  await client.close();
  return answers;
}

async function sendRaw(api: string, { deviceId, token, peerId }: Account): Promise<WrongClockAnswer[]> {
  const route = await fetch(`${api}/v1/route`, { headers: { authorization: `Bearer ${token}` } });
  const { gateways } = (await route.json()) as { gateways: { ws: string; tcp: string }[] };
  const client = await RawClient.open("tcp", gateways[0]!);
  await client.connect({ token, deviceId });
  const content = "dated by a wrong clock";
  const clientMsgId = uuidv7(Date.now());
  const answers: WrongClockAnswer[] = [];
  while (answers.length < RAW_TRIES) {
    const message = { clientMsgId, to: `u:${peerId}`, contentType: "text", content };
    const { command, payload } = await client.request(Command.SEND, message);
    if (command === Command.ERROR && payload.name === "BUSY") {
      await sleep(RETRY_MS);
      continue;
    }
    const { seq, messageId, name } = payload;
    answers.push({ clientMsgId, content, ...(command === Command.SENT ? { seq, messageId } : { refused: name }) });
    await sleep(ARCHIVED_MS);
  }
  client.close();
  return answers;
}

process.once("disconnect", () => process.exit(1));
process.once("message", (order: WrongClockOrder) => {
  run(order).then(
    (report) => process.send!(report, () => process.exit(0)),
    (error: Error) => {
      process.stderr.write(`${error.stack}\n`);
      process.exit(1);
    },
  );
});
