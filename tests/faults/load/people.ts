/** The users of a run: the machine writes them straight into the database, and signs their tokens with the cluster's secret. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { partitionOf, randomId } from "@carillon/base";
import { createTokenSigner, loginIdOf, silentLogger } from "@carillon/base/node";
import { privateConversationId } from "@carillon/protocol";
import { MysqlStore } from "@carillon/store";
import type { Account } from "./load-device";

const DEVICE = "device-1";
const SECOND_DEVICE = "device-2";
const TOKEN_SECONDS = 7_200;

/** The settings file that a local cluster has written for its processes. */
export interface ClusterSettings {
  nats: { servers: string[]; user: string; password: string };
  redis: { url: string };
  mysql: { url: string };
  auth: { secret: string };
}

export function readClusterSettings(directory: string): ClusterSettings {
  return JSON.parse(readFileSync(path.join(directory, "carillon.json"), "utf8"));
}

/** Returns the same user on another device. */
export function secondDeviceOf(directory: string, account: Account): Account {
  const { userId } = account;
  const sign = createTokenSigner(readClusterSettings(directory).auth.secret, TOKEN_SECONDS);
  const token = sign({ userId, deviceId: SECOND_DEVICE, platform: "other", tokenVersion: 1 });
  return { ...account, deviceId: SECOND_DEVICE, token };
}

/**
 * Registers `pairs` pairs of users who write to each other.
 * @returns two accounts per pair, one after the other; their conversations are spread evenly over the partitions
 */
export async function registerPairs(directory: string, pairs: number, partitions: number): Promise<Account[]> {
  const settings = readClusterSettings(directory);
  const sign = createTokenSigner(settings.auth.secret, TOKEN_SECONDS);
  const store = await MysqlStore.connect({ poolSize: 4, ...settings.mysql }, silentLogger());
  const accounts: Account[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const { names, conversationId } = namesIn(pair % partitions, partitions, pair);
    for (const [index, userId] of names.entries()) {
      await store.users.create({ userId, displayName: userId, passwordHash: "none", now: Date.now() });
      const device = await logIn(store, sign, userId, DEVICE);
      // A token is good only if its device has logged in.
      await logIn(store, sign, userId, SECOND_DEVICE);
      const peerId = names[1 - index]!;
      accounts.push({ ...device, peerId, to: `u:${peerId}`, conversationId });
    }
  }
  await store.close();
  return accounts;
}

/** Returns a device with a log-in of its own. */
export interface Device {
  userId: string;
  deviceId: string;
  token: string;
}

/** Creates a user who is logged in on several devices, as after a log-in by password. */
export async function registerDevices<const Names extends readonly string[]>(
  directory: string,
  deviceIds: Names,
): Promise<{ [Each in keyof Names]: Device }> {
  const settings = readClusterSettings(directory);
  const sign = createTokenSigner(settings.auth.secret, TOKEN_SECONDS);
  const store = await MysqlStore.connect({ poolSize: 1, ...settings.mysql }, silentLogger());
  const userId = `r-${randomId(8)}`;
  await store.users.create({ userId, displayName: userId, passwordHash: "none", now: Date.now() });
  const devices: Device[] = [];
  for (const deviceId of deviceIds) devices.push(await logIn(store, sign, userId, deviceId));
  await store.close();
  return devices as { [Each in keyof Names]: Device };
}

/** Creates the rows that a log-in by password leaves. */
async function logIn(
  store: MysqlStore,
  sign: ReturnType<typeof createTokenSigner>,
  userId: string,
  deviceId: string,
): Promise<Device> {
  const now = Date.now();
  const family = randomId(24);
  const refresh = { family, hash: randomId(64), expiresAt: now + TOKEN_SECONDS * 1_000 };
  await store.accounts.signIn(userId, { deviceId, platform: "other" }, refresh, now);
  const claims = { userId, deviceId, platform: "other", tokenVersion: 1, login: loginIdOf(family) };
  return { userId, deviceId, token: sign(claims) };
}

/** Returns two new names whose conversation lies in a partition. */
function namesIn(partition: number, partitions: number, pair: number): { names: string[]; conversationId: string } {
  while (true) {
    const names = [`a${pair}-${randomId(6)}`, `b${pair}-${randomId(6)}`];
    const conversationId = privateConversationId(names[0]!, names[1]!);
    if (partitionOf(conversationId, partitions) === partition) return { names, conversationId };
  }
}
