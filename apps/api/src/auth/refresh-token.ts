/**
 * Refresh tokens: `<userId>.<deviceId>.<family>.<secret>`. The ids lead to the one row that knows the family; of the
 * token itself only a digest is stored. The family is as secret as the rest: whoever shows it had a token of it.
 *
 * The successor of a token is computed from it with the cluster's secret: whoever shows the same token again for a
 * moment, because the answer was lost or two tabs asked at once, gets the same successor, and no token is stored.
 */
import { createHash, createHmac } from "node:crypto";
import { randomId } from "@carillon/base";
import { isDeviceId, isUserId } from "@carillon/protocol";

const FAMILY_LENGTH = 24;
const SECRET_LENGTH = 32;

export interface ShownToken {
  userId: string;
  deviceId: string;
  family: string;
  /** SHA-256 of the whole token, in hex. */
  hash: string;
}

/** A token as it is given away. */
export type RefreshToken = ShownToken & { token: string };

/** A new token of a new family. */
export function newRefreshToken(userId: string, deviceId: string): RefreshToken {
  return toToken({ userId, deviceId, family: randomId(FAMILY_LENGTH) }, randomId(SECRET_LENGTH));
}

/**
 * The next token of the same family; the same one for the same token.
 * @param secret the cluster's, without which nobody can compute it
 */
export function successorOf(shown: ShownToken, secret: string): RefreshToken {
  const next = createHmac("sha256", secret).update(`refresh token behind ${shown.hash}`).digest("base64url");
  return toToken(shown, next.slice(0, SECRET_LENGTH));
}

/** @returns undefined when the text is no token of ours */
export function parseRefreshToken(token: string): ShownToken | undefined {
  // A user id may have dots in it, the rest has none.
  const parts = token.split(".");
  const [deviceId, family, secret] = parts.splice(-3);
  const userId = parts.join(".");
  if (!isUserId(userId) || !isDeviceId(deviceId)) return undefined;
  if (family?.length !== FAMILY_LENGTH || secret?.length !== SECRET_LENGTH) return undefined;
  return { userId, deviceId, family, hash: digest(token) };
}

function toToken({ userId, deviceId, family }: Omit<ShownToken, "hash">, secret: string): RefreshToken {
  const token = `${userId}.${deviceId}.${family}.${secret}`;
  return { token, userId, deviceId, family, hash: digest(token) };
}

function digest(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
