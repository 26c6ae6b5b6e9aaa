import { mustLieAhead } from "@carillon/operations";
import { CarillonError, CloseCode, isUserId } from "@carillon/protocol";
import type { ApiParts } from "../../parts";

/**
 * Creates a user. A request without a password may be repeated, whatever has become of the user since.
 * @returns false when the same request created them before
 * @throws CarillonError BAD_PAYLOAD (a reserved id), CONFLICT (taken)
 */
export async function makeUser(
  { people, passwords, clock }: ApiParts,
  user: { userId: string; displayName: string; password?: string },
): Promise<boolean> {
  const { userId, displayName, password } = user;
  if (!isUserId(userId)) throw new CarillonError("BAD_PAYLOAD", "userId: this id is reserved");
  const passwordHash = password === undefined ? undefined : await passwords.hash(password);
  const created = await people.create({ userId, displayName, passwordHash, now: clock.now() });
  if (created) return true;
  if (password === undefined && (await people.wasMade(user))) return false;
  throw new CarillonError("CONFLICT", "this user id is taken");
}

/** @returns nodes that have not confirmed @throws CarillonError NO_SUCH_USER */
export async function disable({ people, changes }: ApiParts, userId: string): Promise<string[]> {
  mustBe(await people.setStatus(userId, "disabled"));
  const told = [changes.forget({ users: [userId] }), changes.close(userId, { closeCode: CloseCode.USER_DISABLED })];
  return (await Promise.all(told)).flat();
}

/** @returns workers and apis that have not confirmed @throws CarillonError NO_SUCH_USER */
export async function enable({ people, changes }: ApiParts, userId: string): Promise<string[]> {
  mustBe(await people.setStatus(userId, "normal"));
  return (await Promise.all([changes.forget({ users: [userId] }), changes.unlock(userId)])).flat();
}

/** Forgets the failed log-ins of a user. @returns apis that have not confirmed @throws CarillonError NO_SUCH_USER */
export async function unlock({ people, changes }: ApiParts, userId: string): Promise<string[]> {
  mustBe((await people.record(userId)) !== undefined);
  return changes.unlock(userId);
}

/**
 * @param until ms; 0: not muted
 * @returns workers that have not confirmed
 * @throws CarillonError NO_SUCH_USER, BAD_PAYLOAD (a time that is over)
 */
export async function mute(api: ApiParts, userId: string, until: number): Promise<string[]> {
  const { people, changes, clock } = api;
  mustLieAhead("until", until, clock.now());
  mustBe(await people.mute(userId, until));
  return changes.forget({ users: [userId] });
}

/**
 * Logs out one device of a user, or all, and closes their connections.
 * @returns gateways that have not confirmed
 * @throws CarillonError NO_SUCH_USER
 */
export async function kick(api: ApiParts, userId: string, deviceId?: string): Promise<string[]> {
  const { accounts, people, changes, clock } = api;
  const closeCode = CloseCode.KICKED;
  if (deviceId === undefined) {
    mustBe(await people.logOutEverywhere(userId, clock.now()));
    return changes.close(userId, { closeCode });
  }
  mustBe((await people.record(userId)) !== undefined);
  await accounts.revokeDevice(userId, deviceId, clock.now());
  return changes.close(userId, { deviceId, closeCode });
}

function mustBe(isThere: boolean): void {
  if (!isThere) throw new CarillonError("NO_SUCH_USER");
}
