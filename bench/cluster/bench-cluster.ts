/**
 * The cluster that a scenario measures, and the generator's access to it. The generator is not counted as a server: it
 * registers its users straight in the database, signs tokens with the cluster's own secret and raises the rate limits.
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { createTokenSigner } from "@carillon/base/node";
import { buildRing, type Ring } from "@carillon/coordination";
import { findFreePortBlock, type RunningCluster, startCluster } from "@carillon/local";
import { createPool, type Pool } from "mysql2/promise";
import { GC_WATCH, gcEnvironment } from "../account/gc";
import { PROFILE_WATCH, profileEnvironment } from "../account/profile";
import { LoadClient, type LoadEvents } from "../generator/carillon/load-client";
import { DEVICE } from "../generator/carillon/protocol";
import type { CountedCluster } from "./server-counts";

const run = promisify(execFile);
const CARILLON = path.join(__dirname, "../../scripts/carillon.mjs");

const CONNECT_AT_ONCE = 50;
const ROWS_AT_ONCE = 1_000;
/** Longer than any run, so that no connection is closed for its token. */
const TOKEN_SECONDS = 7_200;

export interface ClusterShape {
  gateways: number;
  workers: number;
  partitions: number;
  /** Where a message is when the server confirms it: T2, on disk (default), or T1, in the page cache. */
  tier?: "T1" | "T2";
  /** Whether clients connect by TLS. */
  tls?: boolean;
  /** Whether clients of `private` and `latency` connect by UDP. */
  udp?: boolean;
  /** Whether the Node processes profile themselves. */
  profile?: boolean;
}

/** The folder below the directory of a run into which its processes write their profiles. */
export const profileFolder = (directory: string) => path.join(directory, "profile");

export const say = (line: string) => process.stderr.write(`${line}\n`);

interface Settings {
  auth: { secret: string };
  mysql: { url: string };
  nats: CountedCluster["nats"];
}

export class BenchCluster {
  readonly mysql: Pool;
  private readonly ring: Ring;
  private readonly sign: ReturnType<typeof createTokenSigner>;

  private constructor(
    readonly running: RunningCluster,
    readonly settings: Settings,
    readonly partitions: number,
  ) {
    this.mysql = createPool({ uri: settings.mysql.url });
    this.ring = buildRing(running.info().gateways.map(({ nodeId }) => ({ nodeId, weight: 1 })));
    this.sign = createTokenSigner(settings.auth.secret, TOKEN_SECONDS);
  }

  /** Starts a cluster, has it measured, and removes it. */
  static async with<T>(shape: ClusterShape, measure: (cluster: BenchCluster) => Promise<T>): Promise<T> {
    const directory = mkdtempSync(path.join(tmpdir(), "carillon-bench-"));
    const cluster = await BenchCluster.start(shape, directory, say);
    try {
      return await measure(cluster);
    } finally {
      await cluster.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /** Starts a cluster with all of it in a directory. */
  static async start(
    { gateways, workers, partitions, tier = "T2", tls = false, profile = false }: ClusterShape,
    directory: string,
    onProgress: (line: string) => void,
  ): Promise<BenchCluster> {
    onProgress(
      "starting a cluster; rate limits are raised, users are written to the database, tokens signed with its secret",
    );
    const watches = profile ? [GC_WATCH, PROFILE_WATCH] : [GC_WATCH];
    const running = await startCluster({
      directory,
      basePort: await findFreePortBlock(50),
      counts: { gateway: gateways, worker: workers, archiver: 1, api: 1 },
      partitions,
      fsync: tier === "T2",
      tls,
      guardServers: true,
      env: {
        CARILLON_LIMITS_FRAMES_PER_SECOND: "1000000",
        CARILLON_LIMITS_FRAMES_BURST: "1000000",
        CARILLON_LIMITS_MESSAGES_PER_SECOND: "1000000",
        CARILLON_LIMITS_MESSAGES_BURST: "1000000",
        CARILLON_LIMITS_RECIPIENTS_PER_SECOND: "100000000",
        CARILLON_LIMITS_RECIPIENTS_BURST: "100000000",
        CARILLON_LIMITS_PULLS_PER_SECOND: "1000000",
        CARILLON_LIMITS_PULLS_BURST: "1000000",
        CARILLON_LIMITS_SYNCS_PER_SECOND: "1000000",
        CARILLON_LIMITS_SYNCS_BURST: "1000000",
        CARILLON_LOG_LEVEL: "warn",
        NODE_OPTIONS: watches.map((file) => `--require ${JSON.stringify(file)}`).join(" "),
        ...gcEnvironment(path.join(directory, "gc")),
        ...(profile ? profileEnvironment(profileFolder(directory)) : {}),
      },
    });
    const settings = JSON.parse(readFileSync(path.join(directory, "carillon.json"), "utf8")) as Settings;
    return new BenchCluster(running, settings, partitions);
  }

  async stop(): Promise<void> {
    await this.mysql.end();
    await this.running.stop();
  }

  /** Puts users into the database. Nobody can log in as these users; the bench signs their tokens itself. */
  async register(userIds: string[]): Promise<void> {
    for (let at = 0; at < userIds.length; at += ROWS_AT_ONCE) {
      const rows = userIds
        .slice(at, at + ROWS_AT_ONCE)
        .map((userId) => [userId, userId.toLowerCase(), userId, "none", Date.now()]);
      await this.mysql.query("INSERT INTO users (id, folded_id, display_name, password_hash, created_at) VALUES ?", [
        rows,
      ]);
      const devices = rows.map(([userId]) => [userId, DEVICE, "other", Date.now(), Date.now()]);
      await this.mysql.query("INSERT INTO devices (user_id, device_id, platform, created_at, last_seen_at) VALUES ?", [
        devices,
      ]);
    }
  }

  /** Returns what a user's device connects with: its own gateway, and a token for it. */
  access(userId: string): { tcp: string; ws: string; token: string } {
    const gatewayId = this.ring.lookup(userId);
    const { tcp, ws } = this.running.info().gateways.find(({ nodeId }) => nodeId === gatewayId)!;
    return { tcp, ws, token: this.sign({ userId, deviceId: DEVICE, platform: "other", tokenVersion: 1 }) };
  }

  /** Creates a group of these members with its first event in the archive; the first member is its owner. */
  async makeGroup(groupId: string, members: string[], fanOut: "write" | "read"): Promise<void> {
    await this.mysql.query(
      "INSERT INTO user_groups (id, name, owner_id, join_policy, member_count, fan_out, version, created_at) VALUES (?)",
      [[groupId, groupId, members[0], "invite", members.length, fanOut, 1, Date.now()]],
    );
    const event = [
      `g:${groupId}`,
      1,
      1,
      "system",
      members[0],
      randomUUID(),
      "system",
      '{"type":"created","userIds":[]}',
      1,
    ];
    await this.mysql.query(
      "INSERT INTO messages (conversation, seq, message_id, kind, sender, client_msg_id, content_type, content, sent_at) VALUES (?)",
      [event],
    );
    for (let at = 0; at < members.length; at += ROWS_AT_ONCE) {
      const part = members.slice(at, at + ROWS_AT_ONCE);
      await this.mysql.query("INSERT INTO group_members (group_id, user_id, role, version) VALUES ?", [
        part.map((userId) => [groupId, userId, userId === members[0] ? "owner" : "member", 1]),
      ]);
      await this.mysql.query("INSERT INTO group_stays (group_id, user_id, joined_version, joined_seq) VALUES ?", [
        part.map((userId) => [groupId, userId, 1, 1]),
      ]);
    }
  }

  /** Connects users over TCP, each user to their gateway, in conversations without earlier messages. */
  async connect(
    userIds: string[],
    to: (index: number) => string,
    events: (index: number) => LoadEvents,
    hasJitter = true,
  ) {
    say(`connecting ${userIds.length} clients over TCP`);
    const clients: LoadClient[] = [];
    const numbered = userIds.map((userId, index) => ({ userId, index }));
    await inParts(numbered, CONNECT_AT_ONCE, async ({ userId, index }) => {
      const { tcp, token } = this.access(userId);
      clients[index] = await LoadClient.open({
        tcp,
        userId,
        to: to(index),
        token,
        deviceId: DEVICE,
        events: events(index),
        lastSeq: 0,
        hasJitter,
      });
    });
    return clients;
  }

  /** Returns the node ids of the workers that own a partition. */
  async owners(): Promise<Set<string>> {
    const args = ["partitions", "--data", this.running.directory, "--json"];
    const { stdout } = await run(process.execPath, [CARILLON, ...args]);
    return new Set((JSON.parse(stdout) as { partitions: { owner: string }[] }).partitions.map(({ owner }) => owner));
  }

  /** Returns the number of messages in the archive. */
  async archived(): Promise<number> {
    const [rows] = await this.mysql.query("SELECT COUNT(*) AS n FROM messages");
    return Number((rows as { n: number }[])[0]!.n);
  }
}

async function inParts<T>(items: T[], size: number, work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += size) await Promise.all(items.slice(at, at + size).map(work));
}
