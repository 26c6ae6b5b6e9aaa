/** `carillon users`: lists and administers users. It speaks to the stores, so it needs no operator account. */
import { OPERATOR_ROLE } from "@carillon/base/node";
import type { ChangeNotifier } from "@carillon/bus";
import { CloseCode } from "@carillon/protocol";
import type { Device, UserRecord } from "@carillon/store";
import { type Command, InvalidArgumentError } from "commander";
import { audited } from "../../cluster/audited";
import { type Cluster, openOrders, withCluster } from "../../cluster/open-cluster";
import { type CommonOptions, clusterCommand, parseCount } from "../../command";
import { WrongUse } from "../../output/failures";
import { print, tableOf } from "../../output/print";
import { checkUserId } from "../sessions";

const DEFAULT_LIMIT = 100;
const MINUTE_MS = 60_000;
const UNITS: Record<string, number> = { m: MINUTE_MS, h: 60 * MINUTE_MS, d: 24 * 60 * MINUTE_MS };

/** The user as an order has changed them, and the nodes that have not confirmed the order. */
interface Ordered {
  user: UserRecord;
  unconfirmed: string[];
}

/** An order as the audit log has it. */
interface OrderNote {
  /** `disable`: the act is `admin.user.disable`. */
  name: string;
  details?: Record<string, unknown>;
}

/** @returns whether the user exists, and the nodes that have not confirmed */
type Order = (cluster: Cluster, changes: ChangeNotifier, userId: string) => Promise<[isThere: boolean, late: string[]]>;

export function usersCommand(): Command {
  const command = clusterCommand("users", "list users; disable, mute or kick a user, make a user an operator");
  command.addCommand(listCommand());
  command.addCommand(showCommand());
  command.addCommand(orderCommand("disable", "bar a user and close their connections", setStatus("disabled")));
  command.addCommand(orderCommand("enable", "let a disabled user log in again", setStatus("normal")));
  command.addCommand(
    orderCommand("unlock", "forget the failed log-ins of a user, so that their next log-in does not wait", unlock),
  );
  command.addCommand(muteCommand());
  command.addCommand(kickCommand());
  command.addCommand(operatorCommand());
  return command;
}

function listCommand(): Command {
  return clusterCommand("list", "list users by id")
    .option("--role <role>", `only users with this role: user or ${OPERATOR_ROLE}`)
    .option("--after <user>", "begin after this id")
    .option("--limit <n>", `maximum number of users (default ${DEFAULT_LIMIT})`, parseCount)
    .action(async (_: CommonOptions, command: Command) => {
      const { data, json, role, after, limit } = command.optsWithGlobals<
        CommonOptions & { role?: string; after?: string; limit?: number }
      >();
      const users = await withCluster(data, async (cluster) =>
        (await cluster.mysql()).users.list(limit ?? DEFAULT_LIMIT, after, role),
      );
      print({ users }, json, (shown) => (users.length === 0 ? "there are no users\n" : describeUsers(shown.users)));
    });
}

function showCommand(): Command {
  return userCommand("show", "show a user and their devices").action(
    async (userId: string, _: CommonOptions, command: Command) => {
      const { data, json } = command.optsWithGlobals<CommonOptions>();
      const found = await withCluster(data, async (cluster) => {
        const { users, accounts } = await cluster.mysql();
        const user = await users.record(userId);
        return user && { user, devices: await accounts.devices(userId) };
      });
      if (found === undefined) throw noSuchUser(userId);
      print(found, json, ({ user, devices }) => describeUsers([user]) + describeDevices(devices));
    },
  );
}

function muteCommand(): Command {
  return userCommand("mute", "forbid a user to write for a time; they still receive everything")
    .argument("<time>", "30m, 12h, 7d; or off", parseDuration)
    .action(async (userId: string, ms: number, _: CommonOptions, command: Command) => {
      const until = ms === 0 ? 0 : Date.now() + ms;
      await carryOut(command, userId, { name: "mute", details: { until } }, async (cluster, changes) => {
        const isThere = await (await cluster.mysql()).users.mute(userId, until);
        return [isThere, await changes.forget({ users: [userId] })];
      });
    });
}

function kickCommand(): Command {
  return userCommand("kick", "log out all devices of a user, or one; the user may log in again")
    .option("--device <id>", "only this device")
    .action(async (userId: string, _: CommonOptions, command: Command) => {
      const { device } = command.optsWithGlobals<{ device?: string }>();
      const details = device === undefined ? {} : { deviceId: device };
      await carryOut(command, userId, { name: "kick", details }, async (cluster, changes) => {
        const { users, accounts } = await cluster.mysql();
        const now = cluster.bus.clock.now();
        const closeCode = CloseCode.KICKED;
        if (device === undefined) {
          return [await users.logOutEverywhere(userId, now), await changes.close(userId, { closeCode })];
        }
        await accounts.revokeDevice(userId, device, now);
        return [true, await changes.close(userId, { deviceId: device, closeCode })];
      });
    });
}

function operatorCommand(): Command {
  return userCommand("make-operator", "allow a user to use the routes under /v1/admin")
    .option("--undo", "make the operator an ordinary user again")
    .action(async (userId: string, _: CommonOptions, command: Command) => {
      const { undo } = command.optsWithGlobals<{ undo?: boolean }>();
      const role = undo === true ? "user" : OPERATOR_ROLE;
      await carryOut(command, userId, { name: "change-role", details: { role } }, async (cluster) => [
        await (await cluster.mysql()).users.setRole(userId, role),
        [],
      ]);
    });
}

function orderCommand(name: string, description: string, order: Order): Command {
  return userCommand(name, description).action(async (userId: string, _: CommonOptions, command: Command) =>
    carryOut(command, userId, { name }, order),
  );
}

function setStatus(status: "normal" | "disabled"): Order {
  return async (cluster, changes, userId) => {
    const isThere = await (await cluster.mysql()).users.setStatus(userId, status);
    const told = [changes.forget({ users: [userId] })];
    if (status === "normal") told.push(changes.unlock(userId));
    else told.push(changes.close(userId, { closeCode: CloseCode.USER_DISABLED }));
    return [isThere, (await Promise.all(told)).flat()];
  };
}

const unlock: Order = async (cluster, changes, userId) => {
  const { users } = await cluster.mysql();
  return [(await users.record(userId)) !== undefined, await changes.unlock(userId)];
};

async function carryOut(command: Command, userId: string, { name, details }: OrderNote, order: Order): Promise<void> {
  const { data, json } = command.optsWithGlobals<CommonOptions>();
  checkUserId(userId);
  const act = { act: `admin.user.${name}`, whom: `user:${userId}`, details };
  const ordered = await withCluster(data, (cluster) =>
    audited(cluster, act, async (): Promise<Ordered> => {
      const [isThere, unconfirmed] = await order(cluster, openOrders(cluster), userId);
      const user = isThere ? await (await cluster.mysql()).users.record(userId) : undefined;
      if (user === undefined) throw noSuchUser(userId);
      return { user, unconfirmed };
    }),
  );
  print(ordered, json, ({ user, unconfirmed }) => describeUsers([user]) + describeLate(unconfirmed));
}

function userCommand(name: string, description: string): Command {
  return clusterCommand(name, description).argument("<user>", "user id");
}

function parseDuration(text: string): number {
  if (text === "off") return 0;
  const [, number, unit] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  if (number === undefined || unit === undefined) throw new InvalidArgumentError("must be like 30m, 12h, 7d; or off");
  return Number(number) * UNITS[unit]!;
}

function noSuchUser(userId: string): WrongUse {
  return new WrongUse(`there is no user ${userId}; carillon users list shows them`);
}

function describeUsers(users: UserRecord[]): string {
  const time = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  const rows = users.map(({ userId, displayName, status, mutedUntil, role, createdAt, lastLoginAt }) => {
    const muted = mutedUntil > Date.now() ? time(mutedUntil) : null;
    return [userId, displayName, status, role, muted, time(createdAt), time(lastLoginAt)];
  });
  return tableOf(["user", "name", "status", "role", "muted until", "created", "last log-in"], rows);
}

function describeDevices(devices: Device[]): string {
  if (devices.length === 0) return "no device is logged in\n";
  const rows = devices.map(({ deviceId, platform, lastSeenAt }) => [
    deviceId,
    platform,
    new Date(lastSeenAt).toISOString(),
  ]);
  return tableOf(["device", "platform", "last seen"], rows);
}

function describeLate(nodes: string[]): string {
  if (nodes.length === 0) return "";
  return `not confirmed within 2 s by ${nodes.join(", ")}: these nodes find out by themselves\n`;
}
