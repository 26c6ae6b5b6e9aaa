/** Checks that NATS, Redis and MySQL are what the guarantees need. */
import { LEAST_SERVER_VERSION, readJetStreamReport, readLayout, readReservedBytes } from "@carillon/bus";
import { readLeaders } from "@carillon/operations";
import { checkSchema } from "@carillon/store";
import type { Cluster } from "../cluster/open-cluster";
import { type Check, checksOf, isAtLeast, judge, notChecked } from "./check";
import { checkLeaders } from "./cluster-checks";

const LEAST_REDIS = "6.2";
const LEAST_MARIADB = "10.11";
const LEAST_MYSQL = "8.0";
const GIB = 1024 ** 3;

/** Factor for the room that streams need beside their limits: indexes, the tails of blocks, the buckets. */
const SPARE = 1.2;

export function checkNats({ bus, config }: Cluster): Promise<Check[]> {
  return checksOf("nats", "read the log of NATS", async () => {
    const version = bus.connection.info?.version ?? "unknown";
    const upgrade = { result: "wrong" as const, advice: "upgrade NATS: older versions lose acknowledged messages" };
    const checks = [judge("nats version", isAtLeast(version, LEAST_SERVER_VERSION), version, upgrade)];
    const { monitor } = config.nats;
    if (monitor === undefined) {
      const why = "set nats.monitor: only the monitoring address tells this";
      return [...checks, notChecked("nats fsync", why), notChecked("nats disk", why)];
    }
    const { syncAlways, maxStorage } = await readJetStreamReport(monitor);
    const needed = (await readReservedBytes(bus)) * SPARE;
    const text = `streams may need ${gib(needed)}, JetStream may take ${gib(maxStorage)}`;
    return [
      ...checks,
      judge("nats fsync", syncAlways, syncAlways ? "before each acknowledgement" : "later than the acknowledgement", {
        result: config.nats.fsync ? "wrong" : "warning",
        advice: "set sync_interval: always in jetstream {}",
      }),
      judge("nats disk", needed <= maxStorage, text, {
        result: "warning",
        advice: "lower nats.streamMegabytes, or give JetStream more room: after a full disk NATS needs a restart",
      }),
    ];
  });
}

export function checkNatsCluster({ bus }: Cluster): Promise<Check[]> {
  const advice = "a stream elects a new leader in seconds; if it has none for longer, most of its servers are away";
  return checksOf("nats leaders", advice, async () => {
    const { partitions } = await readLayout(bus);
    return checkLeaders(await readLeaders(bus, partitions));
  });
}

export function checkRedis(cluster: Cluster): Promise<Check[]> {
  return checksOf("redis", "delivery and CONNECT wait until Redis is back", async () => {
    const info = await (await cluster.redis()).info();
    const { redis_version: version = "unknown", maxmemory_policy: policy = "unknown", aof_enabled: log } = info;
    return [
      judge("redis version", isAtLeast(version, LEAST_REDIS), version, { result: "wrong", advice: "upgrade Redis" }),
      judge("redis eviction", policy === "noeviction", policy, {
        result: "wrong",
        advice: "set maxmemory-policy noeviction: an evicted entry is a hole in an inbox",
      }),
      judge("redis append log", log === "1", log === "1" ? "on" : "off", {
        result: "warning",
        advice: "set appendonly yes: without an append log, every restart of Redis makes all devices resync",
      }),
    ];
  });
}

export function checkMysql(cluster: Cluster): Promise<Check[]> {
  return checksOf("mysql", "log-in, first contact and history wait until MySQL is back", async () => {
    const names = ["version", "innodb_flush_log_at_trx_commit", "tx_isolation", "transaction_isolation"];
    const variables = await (await cluster.mysql()).server.variables(names);
    const version = variables.get("version") ?? "unknown";
    const least = /mariadb/i.test(version) ? LEAST_MARIADB : LEAST_MYSQL;
    const flush = variables.get("innodb_flush_log_at_trx_commit") ?? "unknown";
    const isolation = variables.get("transaction_isolation") ?? variables.get("tx_isolation") ?? "unknown";
    return [
      judge("mysql version", isAtLeast(version, least), version, { result: "wrong", advice: "upgrade MySQL" }),
      judge("mysql flush", flush === "1", `innodb_flush_log_at_trx_commit = ${flush}`, {
        result: "wrong",
        advice: "set it to 1: Carillon purges the log of messages that MySQL has confirmed",
      }),
      judge("mysql isolation", isolation === "READ-COMMITTED", isolation, {
        result: "wrong",
        advice: "Carillon's connections ask for READ COMMITTED: check whether the server overrides that",
      }),
    ];
  });
}

export function checkTables({ config }: Cluster): Promise<Check[]> {
  return checksOf(
    "schema",
    "carillon init brings an older schema up to date; a newer schema needs a newer build",
    async () => {
      await checkSchema(config.mysql);
      return [{ name: "schema", result: "ok", text: "as this build knows it" }];
    },
  );
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
