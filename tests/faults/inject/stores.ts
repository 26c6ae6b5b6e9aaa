/** Faults of NATS, Redis and MySQL themselves. */
import { cpSync, rmSync } from "node:fs";
import path from "node:path";
import { until } from "@carillon/testkit";
import { Redis } from "ioredis";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import type { Fault, Stage } from "./fault";
import type { Store } from "./links";

const server = ({ cluster }: Stage, store: Store) => cluster.servers[store]!;

/** Kills a store by kill -9; the supervisor restarts it at once. */
export function killStore(store: Store): Fault {
  return {
    async strike(stage) {
      const before = server(stage, store).pid;
      if (before === undefined) return undefined;
      process.kill(before, "SIGKILL");
      const isBack = () => ![undefined, before].includes(server(stage, store).pid);
      return { on: store, heal: async () => void (await until(`${store} is back`, isBack)) };
    },
  };
}

export function pauseStore(store: Store): Fault {
  return {
    async strike(stage) {
      if (server(stage, store).pid === undefined) return undefined;
      server(stage, store).pause();
      return { on: store, heal: async () => server(stage, store).resume() };
    },
  };
}

/** MySQL is down until it is healed; then the archive has to catch up. */
export const stopMysql: Fault = {
  async strike(stage) {
    if (server(stage, "mysql").pid === undefined) return undefined;
    await stage.cluster.stopNode("mysql");
    const heal = async () => {
      await stage.cluster.startNode("mysql");
      return timeToCatchUp(server(stage, "mysql").url, stage.load.acknowledged);
    };
    return { on: "mysql", heal };
  },
};

async function timeToCatchUp(url: string, messages: number): Promise<number> {
  const from = performance.now();
  const connection = await createConnection({ uri: url });
  try {
    await until("the archive has caught up", async () => {
      const [rows] = await connection.query<RowDataPacket[]>("SELECT COUNT(*) AS count FROM messages");
      return Number(rows[0]!["count"]) >= messages;
    });
  } finally {
    await connection.end();
  }
  return performance.now() - from;
}

/** Runs FLUSHALL under traffic. */
export const wipeRedis: Fault = {
  async strike(stage) {
    const redis = new Redis(server(stage, "redis").url, { maxRetriesPerRequest: 1 });
    try {
      await redis.flushall();
    } finally {
      redis.disconnect();
    }
    return { on: "redis", heal: async () => {} };
  },
};

/** Redis dies and returns with its data of a second ago, as after a failover to a replica that lags. */
export const ageRedis: Fault = {
  async strike(stage) {
    const { directory } = server(stage, "redis");
    const [data, copy] = [path.join(directory, "data"), path.join(directory, "earlier")];
    rmSync(copy, { recursive: true, force: true });
    cpSync(data, copy, { recursive: true });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const at = performance.now();
    await stage.cluster.stopNode("redis");
    rmSync(data, { recursive: true });
    cpSync(copy, data, { recursive: true });
    return { on: "redis, a second older", at, heal: () => stage.cluster.startNode("redis") };
  },
};
