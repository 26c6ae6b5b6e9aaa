/** Whose storage it is: what another device or user has left there would be taken for this one's. */
import type { ClientOptions } from "../options";
import { type ClientStorage, readJson } from "./storage";

const KEY = "device";

/** The storage is of another device or user. */
export class OthersStorage extends Error {}

/** A device of a user. */
export interface Identity {
  deviceId: string;
  userId?: string;
}

/** Whose client it is by what the app has said; the user only when they are named there. */
export function identityOf({ deviceId, credentials, session }: ClientOptions<string>): Identity {
  const { userId } = credentials ?? session ?? {};
  return { deviceId, ...(userId !== undefined && { userId }) };
}

/**
 * Writes down whose storage this is.
 * @param identity without userId as long as the server has not told it
 * @returns whose it is; the user is known when the server has told, now or in an earlier life
 * @throws OthersStorage when it belongs to another device or user
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
