/** Password hashes: argon2id, at most so many at a time that a crowd at the door costs neither memory nor health. */
import { randomId } from "@carillon/base";
import { CarillonError } from "@carillon/protocol";
import { hash, verify } from "@node-rs/argon2";

/** argon2id (the library's own name for it is a type only), 19 MiB and two passes: OWASP's choice. */
const PARAMETERS = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** Hashes waiting or under way. One takes some 20 ms of a core. */
const MOST_AT_ONCE = 512;
const BUSY_RETRY_MS = 2_000;

export class Passwords {
  private underWay = 0;
  /** Compared with when there is no user, so that this answer takes as long as a wrong password's. */
  private readonly nobody = hash(randomId(24), PARAMETERS);

  /** @throws CarillonError BUSY when too many wait */
  hash(password: string): Promise<string> {
    return this.bounded(() => hash(password, PARAMETERS));
  }

  /**
   * @param stored undefined when there is no such user: false, after the same time
   * @throws CarillonError BUSY when too many wait
   */
  async matches(stored: string | undefined, password: string): Promise<boolean> {
    const isRight = await this.bounded(async () => verify(stored ?? (await this.nobody), password));
    return isRight && stored !== undefined;
  }

  private async bounded<T>(work: () => Promise<T>): Promise<T> {
    if (this.underWay >= MOST_AT_ONCE) throw new CarillonError("BUSY", undefined, { retryAfterMs: BUSY_RETRY_MS });
    this.underWay++;
    try {
      return await work();
    } finally {
      this.underWay--;
    }
  }
}
