/**
 * Measures whether log-ins disturb other users: private messages and lists over HTTP at a steady pace, by turns alone and
 * beside 64 log-ins at once, first of one account, then of many. One run measures all of it, since the machine is not the same
 * from one minute to the next. The limits of log-ins are those of every cluster: refusals are counted, and are answers, too.
 */
import { sleep } from "@carillon/base";
import { build as buildHistogram } from "hdr-histogram-js";
import { BenchCluster, type ClusterShape, say } from "../cluster/bench-cluster";
import { steadily } from "../generator/steadily";
import { describeTimes, type Outcome, percentiles, printResult } from "../report/result";

const AT_ONCE = 64;
const CONTENT_BYTES = 100;
const LISTS_PER_SECOND = 20;
const WARM_UP_MS = 4_000;
const SETTLE_MS = 1_000;
const PASSWORD = "correct horse battery";
/** Number of turns of each kind. */
const ROUNDS = 2;

export interface LoginsOptions extends ClusterShape {
  clients: number;
  /** Messages per second of all users together. */
  rate: number;
  /** Seconds of all turns together. */
  seconds: number;
  json: boolean;
}

type Turn = "alone" | "one account" | "many accounts";

interface Seen {
  chat: ReturnType<typeof buildHistogram>;
  lists: ReturnType<typeof buildHistogram>;
  /** Answers to log-ins, by HTTP status. */
  logins: Record<number, number>;
  failedLists: number;
}

export function runLogins(options: LoginsOptions): Promise<Outcome> {
  return BenchCluster.with(options, (cluster) => new LoginsRun(options, cluster).measure());
}

class LoginsRun {
  private readonly errors: string[] = [];
  private readonly seen: Record<Turn, Seen> = {
    alone: newSeen(),
    "one account": newSeen(),
    "many accounts": newSeen(),
  };
  private turn: Turn | undefined;
  private sent = 0;
  private received = 0;

  constructor(
    private readonly options: LoginsOptions,
    private readonly cluster: BenchCluster,
  ) {}

  async measure(): Promise<Outcome> {
    const { clients, rate, seconds } = this.options;
    const names = Array.from({ length: clients & ~1 }, (_, i) => `chat-${i}`);
    await this.cluster.register(names);
    const accounts = Array.from({ length: AT_ONCE }, (_, i) => `login-${i}`);
    for (const userId of accounts) await this.post("/v1/users", { userId, displayName: userId, password: PASSWORD });
    const writers = await this.cluster.connect(
      names,
      (i) => `u:${names[i ^ 1]}`,
      (i) => ({
        onEvent: ({ senderId, content }) => senderId !== names[i] && this.take(content),
        onSent: () => {},
        onBusy: () => {},
        onError: (what) => this.errors.push(`${names[i]}: ${what}`),
      }),
    );
    const stopWriting = steadily(rate, (n) => this.write(writers[n % writers.length]!));
    const stopListing = steadily(LISTS_PER_SECOND, (n) => void this.list(names[n % names.length]!));
    await sleep(WARM_UP_MS);
    const turns: Turn[] = ["alone", "one account", "alone", "many accounts"];
    const turnMs = (seconds * 1_000) / (turns.length * ROUNDS);
    for (let n = 0; n < turns.length * ROUNDS; n++) await this.measureTurn(turns[n % turns.length]!, accounts, turnMs);
    stopWriting();
    stopListing();
    const deadline = Date.now() + 20_000;
    while (this.received < this.sent && Date.now() < deadline) await sleep(100);
    for (const writer of writers) writer.close();
    return this.report();
  }

  private async measureTurn(turn: Turn, accounts: string[], ms: number): Promise<void> {
    let isOver = false;
    const logIns = Array.from({ length: turn === "alone" ? 0 : AT_ONCE }, async (_, i) => {
      while (!isOver) await this.logIn(turn === "one account" ? accounts[0]! : accounts[i]!, turn);
    });
    await sleep(SETTLE_MS);
    this.turn = turn;
    await sleep(ms);
    this.turn = undefined;
    isOver = true;
    await Promise.all(logIns);
    say(`${turn}: ${describeTimes(percentiles(this.seen[turn].chat))}`);
    await sleep(SETTLE_MS);
  }

  private write(client: { send(content: string): void }): void {
    this.sent++;
    client.send(`${performance.now().toFixed(3)} `.padEnd(CONTENT_BYTES, "x"));
  }

  private take(content: string): void {
    this.received++;
    if (this.turn !== undefined) record(this.seen[this.turn].chat, performance.now() - Number.parseFloat(content));
  }

  private async list(userId: string): Promise<void> {
    const { turn } = this;
    const startedAt = performance.now();
    const { token } = this.cluster.access(userId);
    const url = `${this.cluster.running.info().api}/v1/conversations`;
    const ok = await fetch(url, { headers: { authorization: `Bearer ${token}` } }).then(
      async (answer) => {
        await answer.text();
        return answer.ok;
      },
      () => false,
    );
    if (turn === undefined) return;
    if (ok) record(this.seen[turn].lists, performance.now() - startedAt);
    else this.seen[turn].failedLists++;
  }

  private async logIn(userId: string, turn: Turn): Promise<void> {
    const device = { deviceId: "laptop", platform: "desktop" };
    const { status, retryAfterMs } = await this.post("/v1/sessions", { userId, password: PASSWORD, ...device });
    const { logins } = this.seen[turn];
    logins[status] = (logins[status] ?? 0) + 1;
    // A client that is put off comes back after the named time; an attacker would be put off again.
    if (status !== 200) await sleep(Math.min(1_000, retryAfterMs));
  }

  private async post(path: string, body: object): Promise<{ status: number; retryAfterMs: number }> {
    const answer = await fetch(`${this.cluster.running.info().api}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const { retryAfterMs = 100 } = (await answer.json()) as { retryAfterMs?: number };
    return { status: answer.status, retryAfterMs };
  }

  private report(): Outcome {
    const { options, errors, sent, received, seen } = this;
    const ok = errors.length === 0 && sent === received;
    const turns = Object.entries(seen).map(([turn, { chat, lists, logins, failedLists }]) => {
      return { turn, chatMs: percentiles(chat), listsMs: percentiles(lists), logins, failedLists };
    });
    const [alone] = turns as [(typeof turns)[0]];
    const ratio = (of: number, against: number) => `${(of / against).toFixed(2)} times`;
    const lines = [
      `${options.rate} private messages and ${LISTS_PER_SECOND} lists a second, by turns alone and beside ${AT_ONCE} log-ins at once`,
      ...turns.flatMap(({ turn, chatMs, listsMs, logins, failedLists }) => [
        `  ${turn}`,
        `    chat   ${describeTimes(chatMs)} (p99 ${ratio(chatMs.p99, alone.chatMs.p99)} that of alone)`,
        `    lists  ${describeTimes(listsMs)} (p99 ${ratio(listsMs.p99, alone.listsMs.p99)} that of alone), ${failedLists} failed`,
        `    log-ins by status: ${
          Object.entries(logins)
            .map(([status, count]) => `${count} x ${status}`)
            .join(", ") || "none"
        }`,
      ]),
      `  ${ok ? "verified" : `NOT VERIFIED: ${errors.slice(0, 3).join("; ")}`}: sent ${sent}, received ${received}`,
    ];
    return printResult({ scenario: "logins", options, turns, targets: [], ok }, { lines }, options.json);
  }
}

const newTimes = () => buildHistogram({ numberOfSignificantValueDigits: 3 });
const newSeen = (): Seen => ({ chat: newTimes(), lists: newTimes(), logins: {}, failedLists: 0 });

function record(times: ReturnType<typeof buildHistogram>, ms: number): void {
  times.recordValue(Math.max(1, Math.round(ms * 1_000)));
}
