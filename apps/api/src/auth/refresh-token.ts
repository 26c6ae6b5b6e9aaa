/**
 * Refresh tokens: `<userId>.<deviceId>.<family>.<secret>`. The ids lead to the one row that knows the family; of the
 * token itself only a digest is stored. The family is as secret as the rest: whoever shows it had a token of it.
 */
import { createHash } from "node:crypto";
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

/** A new token of a new family, or of the family given. */
export function newRefreshToken(
  userId: string,
  deviceId: string,
  family = randomId(FAMILY_LENGTH),
): ShownToken & { token: string } {
  const token = `${userId}.${deviceId}.${family}.${randomId(SECRET_LENGTH)}`;
  return { token, userId, deviceId, family, hash: digest(token) };
}

/** @returns undefined when the text is no token of ours */
export function parseRefreshToken(token: string): ShownToken | undefined {
  const [userId, deviceId, family, secret, ...rest] = token.split(".");
  if (!isUserId(userId) || !isDeviceId(deviceId) || rest.length > 0) return undefined;
  if (family?.length !== FAMILY_LENGTH || secret?.length !== SECRET_LENGTH) return undefined;
  return { userId, deviceId, family, hash: digest(token) };
}

function digest(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
