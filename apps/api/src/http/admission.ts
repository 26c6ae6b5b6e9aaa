/**
 * Limits the cost of HTTP requests. A user has a budget for reading and one for changes, paid before MySQL is asked whether their
 * token is still good. Then the request waits for its turn, and a request whose client has gone is not begun. Users, and the
 * systems of the operator, do not wait for each other.
 */
import { Abandoned, Admission, Budgets, Overloaded } from "@carillon/base";
import { type Settings, withinDeadline } from "@carillon/base/node";
import { busy } from "@carillon/protocol";
import type { FastifyRequest } from "fastify";
import { mustPay } from "./must-pay";

/** `message`: waits for NATS, not for MySQL; `none`: costs nothing, or is bounded where it costs. */
export type Work = "read" | "write" | "message" | "none";

/** Time for which HTTP clients wait, ms: a later answer is of no use to them. */
const DEADLINE_MS = 10_000;
/** The longest wait for a turn, ms. */
const PATIENCE_MS = 5_000;

const BOUNDS = {
  read: { atOnce: 32, waiting: 64, perKey: { atOnce: 4, waiting: 24 } },
  /** Many of them wait for the owner of a conversation, and not for MySQL. */
  write: { atOnce: 48, waiting: 64, perKey: { atOnce: 2, waiting: 24 } },
  message: { atOnce: 512, waiting: 64 },
  /** Operators and API keys, whatever they do. */
  system: { atOnce: 8, waiting: 64 },
} as const;

export interface HttpAdmissionOptions {
  limits: Pick<Settings["limits"], "httpReadsPerSecond" | "httpReadsBurst" | "httpWritesPerSecond" | "httpWritesBurst">;
  monotonic(): number;
}

export class HttpAdmission {
  private readonly lanes: Record<keyof typeof BOUNDS, Admission>;
  private readonly budgets: Record<"read" | "write", Budgets>;

  constructor(private readonly options: HttpAdmissionOptions) {
    const { limits, monotonic } = options;
    const lane = (name: keyof typeof BOUNDS) => new Admission({ ...BOUNDS[name], patienceMs: PATIENCE_MS, monotonic });
    this.lanes = { read: lane("read"), write: lane("write"), message: lane("message"), system: lane("system") };
    this.budgets = {
      read: new Budgets({ perSecond: limits.httpReadsPerSecond, burst: limits.httpReadsBurst, monotonic }),
      write: new Budgets({ perSecond: limits.httpWritesPerSecond, burst: limits.httpWritesBurst, monotonic }),
    };
  }

  /** @param cost of a change that is told to many: more than 1 @throws CarillonError RATE_LIMITED */
  pay(work: Work, userId: string, cost = 1): void {
    if (work !== "read" && work !== "write") return;
    mustPay(this.budgets[work].take(userId, cost));
  }

  /**
   * Does the work of a request, now or when its turn comes.
   * @throws CarillonError BUSY; what the work throws
   */
  async run<T>(work: Work, request: FastifyRequest, handle: () => Promise<T>): Promise<T> {
    if (work === "none") return handle();
    const deadline = this.options.monotonic() + DEADLINE_MS;
    const key = request.caller?.userId;
    const lane = key === undefined && work !== "message" ? "system" : work;
    const begin = async () => {
      if (request.raw.socket.destroyed) throw new Abandoned();
      return withinDeadline(deadline, handle);
    };
    return this.lanes[lane].run(begin, { key, deadline }).catch((error: unknown) => {
      throw asBusy(error);
    });
  }
}

function asBusy(error: unknown): unknown {
  if (error instanceof Overloaded) {
    return busy({ retryAfterMs: error.retryAfterMs });
  }
  return error instanceof Abandoned ? busy({ retryAfterMs: DEADLINE_MS }) : error;
}
