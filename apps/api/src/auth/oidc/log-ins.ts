/**
 * Log-in by an OpenID provider, in three steps:
 *
 * 1. An app's page sends the browser to `/v1/oidc/login`, with the digest of a secret that the page keeps. The browser goes on to
 *    the provider, with a cookie.
 * 2. The provider sends it back to `/v1/oidc/callback`. The answer counts only with the same cookie, once, and within 10 minutes.
 *    The browser returns to the page with a code, which is good once, for a minute.
 * 3. The page exchanges the code and its secret for tokens. So no token ever stands in an address, a code that somebody else
 *    sees is of no use, and nobody can make a page log in as another user by a link: the page has no secret for that code.
 */
import { createHash } from "node:crypto";
import { randomId } from "@carillon/base";
import { isSameSecret } from "@carillon/base/node";
import type { Bus } from "@carillon/bus";
import { busy, CarillonError } from "@carillon/protocol";
import { busyStore, OneTimeValues, type RedisStore } from "@carillon/store";
import type { OidcSettings } from "../../config";
import { type Asked, LoginRefused, OpenIdProvider } from "./provider";
import type { OidcUsers } from "./users";

const ID_LENGTH = 32;
const ID = new RegExp(`^[A-Za-z0-9]{${ID_LENGTH}}$`);
/** Time for the person to log in at the provider, s. */
export const LOGIN_SECONDS = 600;
const CODE_SECONDS = 60;

/** A log-in that the provider has not answered yet. */
interface Begun extends Asked {
  /** Digest of the browser's cookie. */
  browser: string;
  returnTo: string;
  challenge: string;
}

/** A person whom the provider has identified, and who has no tokens yet. */
interface Identified {
  userId: string;
  /** Digest of the page's secret, as in PKCE. */
  challenge: string;
}

/** What a page asks for. */
export interface LoginWish {
  returnTo?: string | undefined;
  challenge: string;
}

export class OidcLogIns {
  private readonly provider: OpenIdProvider;
  private readonly begun: OneTimeValues;
  private readonly codes: OneTimeValues;

  constructor(
    readonly settings: OidcSettings,
    redis: RedisStore,
    private readonly users: Pick<OidcUsers, "find">,
    private readonly bus: Pick<Bus, "logger" | "clock">,
  ) {
    this.provider = new OpenIdProvider(settings, () => bus.clock.monotonic());
    this.begun = new OneTimeValues(redis, "oidc-login");
    this.codes = new OneTimeValues(redis, "oidc-code");
  }

  /**
   * @param cookie of the browser, if it has one
   * @returns where the browser goes, and its cookie from now on
   * @throws CarillonError BAD_PAYLOAD (a page that is not listed), BUSY
   */
  async begin({ returnTo = this.settings.returnTo[0]!, challenge }: LoginWish, cookie: string | undefined) {
    if (!this.settings.returnTo.includes(returnTo)) {
      throw new CarillonError("BAD_PAYLOAD", "returnTo: this address is not in auth.oidc.returnTo");
    }
    const browser = cookie !== undefined && ID.test(cookie) ? cookie : randomId(ID_LENGTH);
    const state = randomId(ID_LENGTH);
    const { url, asked } = await this.provider.begin(state);
    const begun: Begun = { ...asked, browser: digest(browser), returnTo, challenge };
    await whileRedisIsThere(this.begun.put(state, begun, LOGIN_SECONDS));
    return { url, browser };
  }

  /**
   * @param query of the callback, with its `?`
   * @returns the address of the page, with `#code=` or `#error=`
   * @throws CarillonError NOT_AUTHENTICATED when this browser has begun no such log-in; BUSY
   */
  async finish(query: string, state: string, cookie: string | undefined): Promise<string> {
    const begun = await whileRedisIsThere(this.begun.take<Begun>(state));
    if (begun === undefined || cookie === undefined || !isSameSecret(begun.browser, digest(cookie))) {
      throw new CarillonError(
        "NOT_AUTHENTICATED",
        "this browser has begun no such log-in, or too long ago: begin again",
      );
    }
    const { returnTo, challenge } = begun;
    try {
      const userId = await this.users.find(await this.provider.finish(query, state, begun));
      const code = randomId(ID_LENGTH);
      await whileRedisIsThere(this.codes.put(code, { userId, challenge } satisfies Identified, CODE_SECONDS));
      return `${returnTo}#code=${code}`;
    } catch (error) {
      this.bus.logger.info({ err: error }, "a log-in at the OpenID provider failed");
      return `${returnTo}#error=${codeOf(error)}`;
    }
  }

  /**
   * Exchanges the code of a page.
   * @param verifier the page's secret
   * @returns the user; undefined when there is no such code, or it is not the page's
   * @throws CarillonError BUSY
   */
  async redeem(code: string, verifier: string): Promise<string | undefined> {
    const found = await whileRedisIsThere(this.codes.take<Identified>(code));
    return found !== undefined && isSameSecret(found.challenge, digest(verifier)) ? found.userId : undefined;
  }
}

/** The digest of PKCE (S256): base64url of SHA-256. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

/** @throws CarillonError BUSY when Redis is away */
function whileRedisIsThere<T>(work: Promise<T>): Promise<T> {
  return work.catch((cause: Error) => {
    throw busy({ cause });
  });
}

/** What a page is told: the provider's own code, or the name of our error. @throws errors that are neither */
function codeOf(error: unknown): string {
  const known = error instanceof CarillonError ? error : busyStore(error);
  if (known !== undefined) return known.name;
  if (error instanceof LoginRefused) return /^[a-z_]{1,64}$/.test(error.code) ? error.code : "invalid_answer";
  throw error;
}
