/**
 * The counters that NATS, Redis and MariaDB keep by themselves, and their meaning for a cluster:
 *
 * - NATS writes with `sync_interval: always`, so each message that a stream stores is an fsync; the numbers of the streams'
 *   last messages tell how many there were. (Positions of consumers are written in the background and not counted.)
 *   A cluster of the tier T1 has one fsync a second instead.
 * - MariaDB counts the fsyncs of its redo log and of its data files.
 * - Redis is set to one fsync a second, whatever it writes.
 * - The batches of a hop are its own units: stored messages of queue and log streams, calls of scripts, messages from NATS
 *   to the gateways' connections (less the answers to what they have put into the queue), transactions.
 */
import { silentLogger } from "@carillon/base/node";
import { type Bus, connectBus, queueStream, readLogState } from "@carillon/bus";
import { Redis } from "ioredis";
import type { Pool } from "mysql2/promise";
import type { ServerCounts } from "../peers/contestant";

export interface CountedCluster {
  nats: {
    servers: string[];
    user?: string;
    password?: string;
    streamMegabytes: number;
    monitor: string;
    fsync?: boolean;
  };
  redisUrl: string;
  mysql: Pool;
  partitions: number;
  gateways: string[];
}

export class ServerCounter {
  private readonly startedAt = performance.now();

  private constructor(
    private readonly cluster: CountedCluster,
    private readonly bus: Bus,
    private readonly redis: Redis,
  ) {}

  static async connect(cluster: CountedCluster): Promise<ServerCounter> {
    const bus = await connectBus({
      settings: { replicas: 1, fsync: true, ...cluster.nats },
      name: "bench",
      logger: silentLogger(),
    });
    return new ServerCounter(cluster, bus, new Redis(cluster.redisUrl));
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    await this.bus.close();
  }

  async read(): Promise<Omit<ServerCounts, "gcMs">> {
    const [streams, toGateways, scripts, sql] = await Promise.all([
      this.readStreams(),
      this.readToGateways(),
      this.readScripts(),
      this.readSql(),
    ]);
    const seconds = Math.round((performance.now() - this.startedAt) / 1_000);
    return {
      fsyncs: {
        NATS: this.cluster.nats.fsync === false ? seconds : streams.stored,
        Redis: seconds,
        MariaDB: sql.fsyncs,
      },
      batches: {
        "queue batch": streams.queue,
        "log record": streams.log,
        "Redis script": scripts,
        "message to a gateway": Math.max(0, toGateways - streams.queue),
        "SQL transaction": sql.commits,
      },
    };
  }

  private async readStreams(): Promise<{ queue: number; log: number; stored: number }> {
    const { jsm } = this.bus;
    let [queue, log, stored] = [0, 0, 0];
    for (let partition = 0; partition < this.cluster.partitions; partition++) {
      queue += (await jsm.streams.info(queueStream(partition))).state.last_seq;
      log += (await readLogState(this.bus, partition)).lastRecord;
    }
    for await (const { state } of jsm.streams.list()) stored += state.last_seq;
    return { queue, log, stored };
  }

  private async readToGateways(): Promise<number> {
    const answer = await fetch(`${this.cluster.nats.monitor}/connz?limit=1024`);
    const { connections } = (await answer.json()) as { connections: { name?: string; out_msgs: number }[] };
    return connections
      .filter(({ name }) => name !== undefined && this.cluster.gateways.includes(name))
      .reduce((sum, { out_msgs }) => sum + out_msgs, 0);
  }

  private async readScripts(): Promise<number> {
    const text = await this.redis.info("commandstats");
    return [...text.matchAll(/^cmdstat_(?:evalsha|eval|fcall):calls=(\d+)/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  }

  private async readSql(): Promise<{ fsyncs: number; commits: number }> {
    const [rows] = await this.cluster.mysql.query(
      "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_os_log_fsyncs', 'Innodb_data_fsyncs', 'Com_commit')",
    );
    const of = new Map(
      (rows as { Variable_name: string; Value: string }[]).map((row) => [row.Variable_name, +row.Value]),
    );
    // The fsyncs of the redo log are among those of all files.
    const fsyncs = Math.max(of.get("Innodb_data_fsyncs") ?? 0, of.get("Innodb_os_log_fsyncs") ?? 0);
    return { fsyncs, commits: of.get("Com_commit") ?? 0 };
  }
}
