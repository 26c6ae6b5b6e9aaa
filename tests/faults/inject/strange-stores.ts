/**
 * A store is not the one that the cluster knows: it is empty, or has earlier data, as after a restore from a backup. Healing
 * brings the right store back. (An older MySQL stays: the log has the missing events.)
 */
import { cpSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { sleep } from "@carillon/base";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import type { Fault, Stage } from "./fault";

/** Age of a restored store, ms. */
const AGE_MS = 3_000;
const STASH = "stash";

export const natsData = ({ cluster }: Stage) => path.join(cluster.servers.nats!.directory, "data");

/** Puts the true store of NATS back in place of the present one. */
export async function bringBack({ cluster }: Stage, data: string, kept: string): Promise<void> {
  await cluster.stopNode("nats");
  rmSync(data, { recursive: true });
  renameSync(kept, data);
  await cluster.startNode("nats");
}

export const emptyNats: Fault = {
  async strike(stage) {
    const data = natsData(stage);
    const kept = `${data}.kept`;
    await stage.cluster.stopNode("nats");
    renameSync(data, kept);
    await stage.cluster.startNode("nats");
    return { on: "nats, empty", at: performance.now(), heal: () => bringBack(stage, data, kept) };
  },
};

export const olderNats: Fault = {
  async strike(stage) {
    const { cluster } = stage;
    const data = natsData(stage);
    const [earlier, kept] = [`${data}.earlier`, `${data}.kept`];
    await cluster.stopNode("nats");
    cpSync(data, earlier, { recursive: true });
    await cluster.startNode("nats");
    await sleep(2 * AGE_MS);
    await cluster.stopNode("nats");
    renameSync(data, kept);
    renameSync(earlier, data);
    await cluster.startNode("nats");
    return { on: "nats, older", at: performance.now(), heal: () => bringBack(stage, data, kept) };
  },
};

/** All tables disappear, and come back. */
export const emptyMysql: Fault = {
  async strike({ cluster }) {
    const { url, database } = cluster.servers.mysql!;
    await moveTables(url, database, STASH);
    return { on: "mysql, empty", heal: () => moveTables(url, STASH, database) };
  },
};

export const olderMysql: Fault = {
  async strike({ cluster }) {
    const data = path.join(cluster.servers.mysql!.directory, "data");
    const earlier = `${data}.earlier`;
    await cluster.stopNode("mysql");
    cpSync(data, earlier, { recursive: true });
    await cluster.startNode("mysql");
    await sleep(AGE_MS);
    const at = performance.now();
    await cluster.stopNode("mysql");
    rmSync(data, { recursive: true });
    renameSync(earlier, data);
    await cluster.startNode("mysql");
    return { on: "mysql, older", at, heal: async () => {} };
  },
};

async function moveTables(url: string, from: string, to: string): Promise<void> {
  const connection = await createConnection({ uri: url });
  try {
    await connection.query(`CREATE DATABASE IF NOT EXISTS ${to}`);
    const [rows] = await connection.query<RowDataPacket[]>(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ?",
      [from],
    );
    const moves = rows.map(({ name }) => `${from}.${name} TO ${to}.${name}`);
    await connection.query(`RENAME TABLE ${moves.join(", ")}`);
  } finally {
    await connection.end();
  }
}
