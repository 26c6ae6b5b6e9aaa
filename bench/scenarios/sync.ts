/**
 * P10: the time from the log-in request of a device that was away until it is connected, has all messages that it missed, and
 * knows its people and conversations. Beside it, the scenario measures a new device, which needs its newest conversations and
 * nothing else.
 */
import { sleep, uuidv7 } from "@carillon/base";
import { Command, type SyncedPayload } from "@carillon/protocol";
import { RawClient, type RawFrame } from "@carillon/testkit";
import { build as buildHistogram, type Histogram } from "hdr-histogram-js";
import { BenchCluster, type ClusterShape, say } from "../cluster/bench-cluster";
import type { LoadClient } from "../generator/carillon/load-client";
import { describeTimes, type Outcome, percentileCurve, percentiles, printResult } from "../report/result";
import { judge } from "../report/targets";

const PASSWORD = "correct horse battery";
const CONTENT_BYTES = 100;
const SENDERS = 50;
const MISSED_FOR_P10 = 1_000;
const PATIENCE_MS = 60_000;

export interface SyncOptions extends ClusterShape {
  /** Number of users, each of whom logs in once. */
  clients: number;
  /** Number of messages that each user has missed, from 50 senders. */
  missed: number;
  json: boolean;
}

interface Place {
  epoch: string;
  seq: number;
}

export function runSync(options: SyncOptions): Promise<Outcome> {
  return BenchCluster.with(options, (cluster) => new SyncRun(options, cluster).measure());
}

class SyncRun {
  private readonly errors: string[] = [];
  private readonly parts = {
    logIn: newTimes(),
    connect: newTimes(),
    replay: newTimes(),
    sync: newTimes(),
    all: newTimes(),
    newDevice: newTimes(),
  };

  constructor(
    private readonly options: SyncOptions,
    private readonly cluster: BenchCluster,
  ) {}

  async measure(): Promise<Outcome> {
    const { clients, missed } = this.options;
    const users = Array.from({ length: clients }, (_, i) => `away-${i}`);
    for (const userId of users) await this.post("/v1/users", { userId, displayName: userId, password: PASSWORD });
    const places = new Map<string, Place>();
    for (const userId of users) places.set(userId, (await this.come(userId, "phone")).inbox);
    await this.sendAll(users);
    say(`${clients} users come back one after the other, each has missed ${missed} messages`);
    for (const [index, userId] of users.entries()) {
      await this.comeBack(userId, places.get(userId)!);
      if ((index + 1) % 10 === 0) say(`${index + 1} of ${clients}`);
    }
    return this.report();
  }

  /** 50 senders write to all users in turn. */
  private async sendAll(users: string[]): Promise<void> {
    const { missed } = this.options;
    const senders = Array.from({ length: SENDERS }, (_, i) => `sender-${i}`);
    await this.cluster.register(senders);
    say(`${SENDERS} senders write ${missed * users.length} messages`);
    for (const userId of users) {
      let left = missed;
      const done = new Promise<void>((resolve, reject) => {
        setTimeout(() => reject(new Error("messages were not accepted in time")), PATIENCE_MS).unref();
        this.onSent = () => --left === 0 && resolve();
      });
      const writing = await this.cluster.connect(
        senders,
        () => `u:${userId}`,
        () => ({
          onEvent: () => {},
          onSent: () => this.onSent(),
          onBusy: () => {},
          onError: () => {},
        }),
      );
      for (let i = 0; i < missed; i++) writing[i % SENDERS]!.send("".padEnd(CONTENT_BYTES, "x"));
      await done;
      for (const client of writing as LoadClient[]) client.close();
    }
    const deadline = Date.now() + PATIENCE_MS;
    while ((await this.cluster.archived()) < missed * users.length && Date.now() < deadline) await sleep(200);
  }

  private onSent: () => void = () => {};

  private async comeBack(userId: string, inbox: Place): Promise<void> {
    const { missed } = this.options;
    const known = await this.come(userId, "phone", inbox, missed);
    if (known.events !== missed) this.errors.push(`${userId} got ${known.events} of ${missed} messages`);
    const { counts } = known.synced;
    const expected = Math.min(SENDERS, missed);
    if (counts.conversations !== expected) this.errors.push(`${userId} has ${counts.conversations} conversations`);
    const { startedAt, loggedInAt, connectedAt, replayedAt, syncedAt } = known;
    record(this.parts.logIn, loggedInAt - startedAt);
    record(this.parts.connect, connectedAt - loggedInAt);
    record(this.parts.replay, replayedAt - connectedAt);
    record(this.parts.sync, syncedAt - connectedAt);
    record(this.parts.all, Math.max(replayedAt, syncedAt) - startedAt);
    const fresh = await this.come(userId, `tablet-${uuidv7(Date.now())}`);
    if (fresh.synced.conversations.length !== expected) {
      this.errors.push(`a new device of ${userId} was told ${fresh.synced.conversations.length} conversations at once`);
    }
    record(this.parts.newDevice, fresh.syncedAt - fresh.startedAt);
  }

  /** A device logs in, connects, asks for a SYNC and takes its replay; all at once, as the SDK does. */
  private async come(userId: string, deviceId: string, inbox?: Place, expected = 0) {
    const startedAt = performance.now();
    const logIn = { userId, password: PASSWORD, deviceId, platform: "other" };
    const { accessToken } = (await this.post("/v1/sessions", logIn)) as { accessToken: string };
    const route = await fetch(`${this.cluster.running.info().api}/v1/route`, {
      headers: { authorization: `Bearer ${accessToken}` },
    });
    const { gateways } = (await route.json()) as { gateways: { ws: string; tcp: string }[] };
    const loggedInAt = performance.now();
    const greeting = { token: accessToken, deviceId, platform: "other", ...(inbox && { inbox }) };
    return { startedAt, loggedInAt, ...(await session(gateways[0]!, greeting, expected)) };
  }

  private async post(path: string, body: object): Promise<unknown> {
    const answer = await fetch(`${this.cluster.running.info().api}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  private report(): Outcome {
    const { options, errors, parts } = this;
    const ok = errors.length === 0;
    const times = Object.fromEntries(Object.entries(parts).map(([name, of]) => [name, percentiles(of)]));
    const targets = options.missed < MISSED_FOR_P10 ? [] : [judge("P10", percentiles(parts.all).p50)];
    const verified = { ok, errors: errors.slice(0, 5) };
    const result = { scenario: "sync", options, latencyMs: times, verified, targets, ok };
    const line = (name: string, of: Histogram) => `  ${name.padEnd(11)} ${describeTimes(percentiles(of))}`;
    const curves = [
      { label: "all of it", points: percentileCurve(parts.all) },
      { label: "new device", points: percentileCurve(parts.newDevice) },
    ];
    const lines = [
      `log-in to synced, ${options.missed} messages missed, ${SENDERS} conversations, over TCP`,
      line("log-in", parts.logIn),
      line("CONNECT", parts.connect),
      line("replay", parts.replay),
      line("SYNC", parts.sync),
      line("all of it", parts.all),
      line("new device", parts.newDevice),
      `  ${ok ? "verified" : `NOT VERIFIED: ${errors.slice(0, 3).join("; ")}`}`,
    ];
    return printResult(result, { lines, curves }, options.json);
  }
}

/** Holds one connection until it has its SYNCED and this number of events. */
async function session(gateway: { ws: string; tcp: string }, greeting: object, expected: number) {
  const seen = { inbox: { epoch: "", seq: 0 }, events: 0, connectedAt: 0, replayedAt: 0, syncedAt: 0 };
  const client = await RawClient.open("tcp", gateway);
  let synced: SyncedPayload | undefined;
  await new Promise<void>((resolve, reject) => {
    setTimeout(() => reject(new Error("a device did not come back in time")), PATIENCE_MS).unref();
    const take = ({ command, payload }: RawFrame) => {
      const now = performance.now();
      if (command === Command.CONNECTED) {
        seen.connectedAt = now;
        seen.replayedAt = now;
        seen.inbox = payload.inbox;
        client.send(Command.SYNC);
      } else if (command === Command.DELIVER) {
        seen.events += payload.events.length;
        seen.replayedAt = now;
        client.send(Command.RECEIVED, { epoch: payload.epoch, inboxSeq: payload.events.at(-1)[0] }, 0);
      } else if (command === Command.SYNCED) {
        seen.syncedAt = now;
        synced = payload;
      } else reject(new Error(`a device got command ${command}: ${JSON.stringify(payload)}`));
      if (synced !== undefined && seen.events >= expected) resolve();
    };
    client.listen(take, () => reject(new Error("the gateway closed the connection")));
    client.send(Command.CONNECT, greeting);
  }).finally(() => client.destroy());
  return { ...seen, synced: synced! };
}

const newTimes = (): Histogram => buildHistogram({ numberOfSignificantValueDigits: 3 });
const record = (times: Histogram, ms: number) => times.recordValue(Math.max(1, Math.round(ms * 1_000)));
