/** The user's own account: name, password, preferences, and its end. */

import { addressKey } from "@carillon/base";
import { CarillonError, CloseCode, Command, encodeFrame, isUserId } from "@carillon/protocol";
import type { FoundPlace, NamedUser, NameQueries, WhoMayAdd, WhoMayWrite } from "@carillon/store";
import type { Caller } from "../../auth/authenticate";
import { readCursor, writeCursor } from "../../http/cursor";
import { mustPay } from "../../http/must-pay";
import type { ApiParts } from "../../parts";
import { depart } from "../groups/departure";

/** The user's preferences about other users. */
export interface OwnPreferences {
  whoMayAdd: WhoMayAdd;
  whoMayWrite: WhoMayWrite;
}

export interface OwnProfile extends OwnPreferences {
  userId: string;
  displayName: string;
  createdAt: number;
}

/** Friends of one transaction: their counters are locked by it. */
const FRIENDS_AT_ONCE = 500;

/** @throws CarillonError NO_SUCH_USER when the account was deleted meanwhile */
export async function readOwnProfile({ accounts, config }: ApiParts, userId: string): Promise<OwnProfile> {
  const [account, chosen] = await Promise.all([accounts.find(userId), accounts.preferences(userId)]);
  if (account === undefined || chosen === undefined) throw new CarillonError("NO_SUCH_USER");
  const { displayName, createdAt } = account;
  const writers = config.policy.strangers === "allow" ? "everybody" : "friends";
  const { whoMayAdd = config.groups.whoMayAdd, whoMayWrite = writers } = chosen;
  // Where the cluster lets only friends write, no user can let others.
  return { userId, displayName, createdAt, whoMayAdd, whoMayWrite: writers === "friends" ? "friends" : whoMayWrite };
}

/**
 * Changes the user's preferences. They count from the next message on; at a worker that did not hear of the change, after 30 s at
 * the latest.
 * @throws CarillonError NO_SUCH_USER when the account was deleted meanwhile
 */
export async function prefer(
  { accounts, changes }: ApiParts,
  { userId }: Caller,
  change: Partial<OwnPreferences>,
): Promise<void> {
  if (!(await accounts.prefer(userId, change))) throw new CarillonError("NO_SUCH_USER");
  if (change.whoMayWrite !== undefined) await changes.forget({ users: [userId] });
}

/**
 * Changes the name. Friends see the new name by their next SYNC; repeated after a crash, this tells the friends who were not told
 * yet.
 * @throws CarillonError NO_SUCH_USER when the account was deleted meanwhile
 */
export async function rename(api: ApiParts, userId: string, displayName: string): Promise<void> {
  if (!(await api.people.rename(userId, displayName))) throw new CarillonError("NO_SUCH_USER");
  await tellProfile(api, userId);
}

async function tellProfile({ relations, changes, clock }: ApiParts, userId: string): Promise<void> {
  // A profile has no version of its own: the time orders its changes.
  const frame = encodeFrame(Command.CHANGED, 0, { what: "profile", version: clock.now() });
  changes.notify([userId], frame);
  for (let after: string | undefined = ""; after !== undefined; ) {
    const step: { owners: string[]; next?: string } = await relations.touchFriends(userId, FRIENDS_AT_ONCE, after);
    changes.notify(step.owners, frame);
    after = step.next;
  }
}

/**
 * Changes the password; all other devices have to log in again. A request that is repeated after a lost answer changes nothing.
 * @returns gateways that have not confirmed that the connections of the other devices are closed
 * @throws CarillonError FORBIDDEN (the old one is wrong), RATE_LIMITED (too often), BUSY
 */
export async function changePassword(
  api: ApiParts,
  { userId, deviceId }: Caller,
  { oldPassword, newPassword }: { oldPassword: string; newPassword: string },
): Promise<string[]> {
  const { accounts, people, changes, passwords, loginLimits, clock } = api;
  let isDone = false;
  const isRight = await loginLimits.judgeOnDevice(userId, deviceId, async () => {
    const found = await accounts.findWithPassword(userId);
    if (await passwords.matches(found?.passwordHash, oldPassword)) return true;
    isDone = await passwords.matches(found?.passwordHash, newPassword);
    return isDone;
  });
  if (isDone) return [];
  if (!isRight) throw new CarillonError("FORBIDDEN", "the old password is wrong");
  const others = await people.setPassword(userId, await passwords.hash(newPassword), deviceId, clock.now());
  const closings = others.map((other) =>
    changes.close(userId, { deviceId: other, closeCode: CloseCode.TOKEN_REVOKED }),
  );
  return [...new Set((await Promise.all(closings)).flat())];
}

/**
 * Deletes the account: nobody can log in to it or write to it any more. Its messages stay, without a name. Friendships end and
 * the user leaves their groups, at once or a moment later. A token alone, of a device that lies about, does not suffice.
 * @param password of the user; a user without one has only tokens of another issuer, and needs none here
 * @returns nodes that have not confirmed
 * @throws CarillonError FORBIDDEN (the password is wrong), RATE_LIMITED (too often), BUSY
 */
export async function deleteAccount(api: ApiParts, { userId, deviceId }: Caller, password: string): Promise<string[]> {
  const { accounts, passwords, loginLimits } = api;
  const found = await accounts.findWithPassword(userId);
  if (found?.passwordHash !== undefined) {
    const isRight = () => passwords.matches(found.passwordHash, password);
    if (!(await loginLimits.judgeOnDevice(userId, deviceId, isRight))) {
      throw new CarillonError("FORBIDDEN", "password: is wrong, or missing");
    }
  }
  return endAccount(api, userId);
}

/**
 * Ends an account, by order of its user or of an operator. A job that outlives this process ends the user's relations and
 * memberships.
 * @returns nodes that have not confirmed
 */
export async function endAccount(api: ApiParts, userId: string): Promise<string[]> {
  const { people, changes, clock, logger } = api;
  await people.delete(userId, clock.now());
  depart(api, userId).catch((err: Error) => logger.info({ err }, "a job ends later what refers to a deleted user"));
  const told = [changes.forget({ users: [userId] }), changes.close(userId, { closeCode: CloseCode.TOKEN_REVOKED })];
  return (await Promise.all(told)).flat();
}

/**
 * Creates a user.
 * @throws CarillonError BAD_PAYLOAD (a reserved id), CONFLICT (taken, also by an id that differs in case only), FORBIDDEN
 *   (closed), RATE_LIMITED, BUSY
 */
export async function register(
  api: ApiParts,
  user: { userId: string; displayName: string; password: string },
  address: string,
): Promise<void> {
  const { userId, displayName, password } = user;
  if (api.config.registration !== "open") throw new CarillonError("FORBIDDEN", "registration is closed here");
  if (!isUserId(userId)) throw new CarillonError("BAD_PAYLOAD", "userId: this id is reserved");
  mustPay(api.registrations.take(addressKey(address)));
  const passwordHash = await api.passwords.hash(password);
  const created = await api.people.create({ userId, displayName, passwordHash, now: api.clock.now() });
  if (!created) throw new CarillonError("CONFLICT", "this user id is taken");
}

/** The pages of the search for people. */

/**
 * @param text as the user typed it
 * @throws CarillonError BAD_PAYLOAD for a cursor of another list
 */
export async function searchPage(
  names: Pick<NameQueries, "search">,
  text: string,
  limit: number,
  cursor: string | undefined,
): Promise<{ items: NamedUser[]; cursor?: string }> {
  const { users, next } = await names.search(text, limit, cursor === undefined ? undefined : readPlace(cursor));
  return { items: users, ...(next === undefined ? {} : { cursor: writePlace(next) }) };
}

/** Cursors contain ASCII only, and names are not ASCII. */
const writePlace = ({ entry, userId }: FoundPlace) =>
  writeCursor("users", [Buffer.from(entry).toString("base64url"), userId]);

function readPlace(cursor: string): FoundPlace {
  const [entry, userId] = readCursor("users", ["string", "string"], cursor) as [string, string];
  return { entry: Buffer.from(entry, "base64url").toString(), userId };
}
