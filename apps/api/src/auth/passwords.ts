/**
 * Password hashes: argon2id. One takes a whole core for some 20 ms, so half of the cores make them and the others stay
 * with chat; behind them waits a queue of tens, and a crowd at the door is told to come back.
 */
import { availableParallelism } from "node:os";
import { Admission, Overloaded, randomId } from "@carillon/base";
import { CarillonError } from "@carillon/protocol";
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
   * @param stored undefined when there is no such user: false, after the same time
   * @throws CarillonError BUSY when too many wait
   */
  async matches(stored: string | undefined, password: string): Promise<boolean> {
    const isRight = await this.bounded(async () => verify(stored ?? (await this.nobody), password));
    return isRight && stored !== undefined;
  }

  private async bounded<T>(work: () => Promise<T>): Promise<T> {
    return this.admission.run(work).catch((error: unknown) => {
      if (!(error instanceof Overloaded)) throw error;
      throw new CarillonError("BUSY", undefined, { retryAfterMs: error.retryAfterMs });
    });
  }
}
