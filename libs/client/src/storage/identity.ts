/** The owner of a storage: a client must not take the values of another device or user for its own. */
import type { ClientOptions } from "../options";
import { type ClientStorage, readJson } from "./storage";

const KEY = "device";

/** The storage belongs to another device or user. */
export class OthersStorage extends Error {}

/** A device of a user. */
export interface Identity {
  deviceId: string;
  userId?: string;
}

/** Returns the device and user that the app's options name; the user only if the options name one. */
export function identityOf({ deviceId, credentials, session }: ClientOptions<string>): Identity {
  const { userId } = credentials ?? session ?? {};
  return { deviceId, ...(userId !== undefined && { userId }) };
}

/**
 * Records the owner of the storage.
 * @param identity without userId as long as the server has not told it
 * @returns the owner; with the user if the server has told the id, now or in an earlier run
 * @throws OthersStorage if the storage belongs to another device or user
 */
export async function claimStorage(storage: ClientStorage, { deviceId, userId }: Identity): Promise<Identity> {
  const owner = await readJson<Identity>(storage, KEY);
  if (owner !== undefined) {
    if (owner.deviceId !== deviceId) throw new OthersStorage(`this storage belongs to device ${owner.deviceId}`);
    if (userId === undefined || owner.userId === userId) return owner;
    if (owner.userId !== undefined) throw new OthersStorage(`this storage belongs to user ${owner.userId}`);
  }
  const claimed = { deviceId, ...(userId === undefined ? {} : { userId }) };
  await storage.set(KEY, JSON.stringify(claimed));
  return claimed;
}
