/**
 * The keys of an issuer at a URL. The process fetches them at its start, every 10 minutes, and when a token names a key that it
 * does not know, at most once in 30 s. Nobody waits for a fetch: who shows such a token hears that the keys are not available,
 * and asks again. When the URL cannot be reached, the keys known so far stay.
 */
import { guarded } from "../../boundary";
import type { Logger } from "../logger";
import { type IssuerKey, type KeyRules, keysNamed, keysOf } from "./issuer-keys";

const REGULARLY_MS = 600_000;
/** Between two fetches for keys that nobody knows, ms. */
const PAUSE_MS = 30_000;
/** The same as long as no key is known, ms. */
const FIRST_PAUSE_MS = 5_000;
const ANSWER_MS = 5_000;
const MOST_BYTES = 256 * 1024;

export interface JwksUrlOptions {
  url: string;
  rules: KeyRules;
  logger: Pick<Logger, "info" | "warn">;
  monotonic(): number;
}

export class JwksUrl {
  private keys: readonly IssuerKey[] = [];
  /** When the newest keys were asked for, monotonic ms. */
  private fetchedAt = Number.NEGATIVE_INFINITY;
  private triedAt = Number.NEGATIVE_INFINITY;
  private isAway = false;
  private fetching: AbortController | undefined;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly options: JwksUrlOptions) {
    this.begin();
    const look = () => this.look();
    this.timer = setInterval(guarded("timer", look), FIRST_PAUSE_MS);
    this.timer.unref();
  }

  /**
   * The keys of this name; without a name, all.
   * @returns "unavailable" while it cannot be said whether the issuer has such a key
   */
  named(kid: unknown): readonly IssuerKey[] | "unavailable" {
    const named = keysNamed(this.keys, kid);
    if (named.length > 0) return named;
    // The issuer was asked a moment ago: there is no such key.
    if (this.options.monotonic() - this.fetchedAt < PAUSE_MS) return [];
    this.begin();
    return "unavailable";
  }

  stop(): void {
    clearInterval(this.timer);
    this.fetching?.abort();
  }

  private look(): void {
    const isDue = this.options.monotonic() - this.fetchedAt >= REGULARLY_MS;
    if (isDue) this.begin();
  }

  /** Fetches the keys, unless that was tried a moment ago. */
  private begin(): void {
    const now = this.options.monotonic();
    const pause = this.keys.length === 0 ? FIRST_PAUSE_MS : PAUSE_MS;
    if (this.fetching !== undefined || now - this.triedAt < pause) return;
    this.triedAt = now;
    this.fetching = new AbortController();
    this.fetch(this.fetching.signal, now)
      .catch((error: Error) => this.failed(error))
      .finally(() => {
        this.fetching = undefined;
      });
  }

  private async fetch(stopped: AbortSignal, startedAt: number): Promise<void> {
    const { url, rules, logger } = this.options;
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(ANSWER_MS)]);
    const answer = await fetch(url, { signal, redirect: "error", headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`the answer has the status ${answer.status}`);
    this.keys = keysOf(JSON.parse(await textOf(answer)), rules);
    this.fetchedAt = startedAt;
    if (this.isAway) logger.info({ issuer: rules.issuer }, "the keys of an issuer can be read again");
    this.isAway = false;
  }

  private failed(err: Error): void {
    const { url, rules, logger } = this.options;
    if (this.fetching?.signal.aborted === true || this.isAway) return;
    this.isAway = true;
    logger.warn({ err, issuer: rules.issuer, url }, "the keys of an issuer cannot be read, those known so far stay");
  }
}

/** The body of an answer. @throws Error when it is too long for a JWKS */
async function textOf({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body ?? []) {
    bytes += part.length;
    if (bytes > MOST_BYTES) throw new Error(`the answer is longer than ${MOST_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
