/**
 * Password hashes: argon2id. A hash takes a whole core for some 20 ms, so half of the cores compute hashes and the others stay
 * with chat. Tens of attempts wait in a queue; the rest are told to come back.
 */

import { createHash, createHmac } from "node:crypto";
import { availableParallelism } from "node:os";
import { Admission, Overloaded, randomId } from "@carillon/base";
import type { TokenSecrets } from "@carillon/base/node";
import { busy, isDeviceId, isUserId } from "@carillon/protocol";
import { hash, verify } from "@node-rs/argon2";

/** argon2id (the library's own name for it is a type only), 19 MiB and two passes: OWASP's choice. */
const PARAMETERS = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

const AT_ONCE = Math.max(1, Math.floor(availableParallelism() / 2));
const WAITING = 96;
/** The longest wait for a turn, ms. */
const PATIENCE_MS = 15_000;

export class Passwords {
  private readonly admission: Admission;
  /** Compared with when there is no user, so that this answer takes as long as a wrong password's. */
  private readonly nobody = hash(randomId(24), PARAMETERS);

  /** @param monotonic ms */
  constructor(monotonic: () => number = () => performance.now()) {
    this.admission = new Admission({
      atOnce: AT_ONCE,
      waiting: WAITING,

      patienceMs: PATIENCE_MS,
      monotonic,
    });
  }

  /** @throws CarillonError BUSY when too many wait */
  hash(password: string): Promise<string> {
    return this.bounded(() => hash(password, PARAMETERS));
  }

  /**
   * @param stored undefined when there is no such user: the result is false, after the same time
   * @throws CarillonError BUSY when too many wait
   */
  async matches(stored: string | undefined, password: string): Promise<boolean> {
    const isRight = await this.bounded(async () => verify(stored ?? (await this.nobody), password));
    return isRight && stored !== undefined;
  }

  private async bounded<T>(work: () => Promise<T>): Promise<T> {
    return this.admission.run(work).catch((error: unknown) => {
      if (!(error instanceof Overloaded)) throw error;
      throw busy({ retryAfterMs: error.retryAfterMs });
    });
  }
}

/**
 * Refresh tokens: `<userId>.<deviceId>.<family>.<secret>`. The ids lead to the one row that knows the family; of the token itself
 * only a digest is stored. The family is as secret as the rest: a caller who shows it had a token of it.
 *
 * The successor of a token is computed from it with the secret of access tokens. So a device that shows the same token again, because
 * the answer was lost or two tabs asked at once, gets the same successor, and no token is stored.
 */

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

/** Makes a token of a new family. */
export function newRefreshToken(userId: string, deviceId: string): RefreshToken {
  return toToken({ userId, deviceId, family: randomId(FAMILY_LENGTH) }, randomId(SECRET_LENGTH));
}

/**
 * Computes the next token of the same family, by the secret that signs now; and behind it those by the other secrets, one of
 * which was given away if the same token was shown before the secret changed.
 */
export function successorsOf(shown: ShownToken, secrets: Pick<TokenSecrets, "signing" | "named">): RefreshToken[] {
  const { signing } = secrets;
  const others = secrets.named(undefined).filter((each) => each !== signing);
  return [signing, ...others].map(({ secret }) => successorOf(shown, secret));
}

/** The same token and the same secret always give the same successor. */
function successorOf(shown: ShownToken, secret: string): RefreshToken {
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
