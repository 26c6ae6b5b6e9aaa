/**
 * Access tokens: from a password, from a refresh token, or from the app. The client makes one request at a time, however many
 * callers wait, because a refresh token that is shown twice revokes the device.
 *
 * A refresh token is void once the client has shown it. So the client stores the next one before it uses it. If the server
 * refuses it (its answer was lost, or the device was logged out), the password opens a new session, if the app gave one.
 *
 * The client exchanges every token before it expires, if it knows the token's life. The app's own function may hang, throw or
 * return something else than a token: then the client asks again, as it would ask a server that does not answer.
 */
import { settlesWithin } from "@carillon/base";
import { CarillonError, type Platform } from "@carillon/protocol";
import type { KeptValues } from "../storage/kept-values";
import { type ClientStorage, readJson } from "../storage/storage";
import type { HttpApi, TokenAnswer } from "./http-api";

/** The result of an app's function: a token, a token with its life, or the answer of `POST /v1/admin/tokens` as it is. */
export type AppToken =
  | string
  | {
      token: string;
      /** The life of the token, seconds; default: the life that the token itself names. */
      expiresIn?: number;
    }
  | Pick<TokenAnswer, "accessToken" | "expiresIn">;

/** A token of the app, or a function that returns a fresh token. */
export type TokenSource = string | (() => Promise<AppToken>);

/** The credentials with which the user logs in. */
export interface Credentials {
  userId: string;
  /**
   * Without a password the client only continues a stored session. If there is none, `connect` rejects with NOT_AUTHENTICATED:
   * the app asks the user for the password.
   */
  password?: string;
}

/** A session that a back end has opened: the answer of `POST /v1/admin/tokens` and `POST /v1/sessions`. */
export type OpenedSession = Pick<TokenAnswer, "userId" | "accessToken" | "refreshToken" | "expiresIn">;

export interface TokensOptions {
  api: Pick<HttpApi, "refresh" | "logIn">;
  storage: ClientStorage;
  /** Stores the refresh token. An older stored token is void; the next run would show it, and so end the session. */
  kept: KeptValues;
  deviceId: string;
  platform: Platform;
  credentials?: Credentials | undefined;
  session?: OpenedSession | undefined;
  token?: TokenSource | undefined;
  /** Called when a fresh token has come while the client runs. */
  onRenewed(token: string): void;
  /** Called when the client cannot read the stored refresh token. It then needs the password, or the session of a back end. */
  onError(error: Error): void;
}

const KEY = "tokens";
/** The part of a token's life after which the client exchanges it. */
const RENEW_AFTER = 0.8;
const RETRY_MS = 5_000;
/** The longest time that a timer of a platform can wait, ms. */
const LONGEST_MS = 2 ** 31 - 1;
/** The time that an app's function has to return a token, ms. */
const APP_MS = 15_000;

interface Stored {
  userId: string;
  refreshToken: string;
}

export class Tokens {
  #current: string | undefined;
  #pending: Promise<string> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;
  /** The refresh token from the storage, or from the last answer: the client uses it even if the storage refuses it. */
  #known: Stored | undefined;
  /** The session that a back end gave; its tokens are good for the first time only. */
  #opened: OpenedSession | undefined;

  constructor(private readonly options: TokensOptions) {
    this.#opened = options.session;
  }

  /** Returns a token that is good as far as the client knows. @throws CarillonError if there is no token */
  access(): Promise<string> {
    return this.#current === undefined ? this.renew() : Promise.resolve(this.#current);
  }

  /** Returns a fresh token, because the server refused the last one. */
  renew(): Promise<string> {
    // A closed client does not log in again.
    if (this.#stopped && this.#pending === undefined) {
      return Promise.reject(new CarillonError("UNAVAILABLE", "the client is closed"));
    }
    this.#pending ??= this.#fetch().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #fetch(): Promise<string> {
    const { token, credentials, session } = this.options;
    if (credentials !== undefined) return this.#takeOver(await this.#exchange(credentials));
    if (session !== undefined) return this.#takeOver(await this.#goOn(session));
    if (typeof token === "function") return this.#askApp(token);
    // The client cannot exchange a token that the app gave as text: after a refusal it is of no use.
    if (token === undefined) throw new CarillonError("NOT_AUTHENTICATED", "no credentials, session or token was given");
    if (this.#current !== undefined) throw new CarillonError("TOKEN_EXPIRED");
    this.#current = token;
    return token;
  }

  async #exchange({ userId, password }: Credentials): Promise<TokenAnswer> {
    const { api, deviceId, platform } = this.options;
    const refreshed = await this.#refresh(userId);
    if (refreshed !== undefined) return refreshed;
    if (password === undefined) throw new CarillonError("NOT_AUTHENTICATED", "no session is stored: log in");
    return api.logIn({ userId, password, deviceId, platform });
  }

  /** Continues the stored session, also in a later run of the app, which may still pass the old one. */
  async #goOn(session: OpenedSession): Promise<OpenedSession> {
    const opened = this.#opened;
    this.#opened = undefined;
    const refreshed = await this.#refresh(session.userId);
    if (refreshed !== undefined) return refreshed;
    if (opened !== undefined) return opened;
    throw new CarillonError("TOKEN_REVOKED", "the session is over: open another one");
  }

  /** @returns undefined if there is no refresh token, or the server refuses it */
  async #refresh(userId: string): Promise<TokenAnswer | undefined> {
    const { api, storage, kept, onError } = this.options;
    this.#known ??= await readJson<Stored>(storage, KEY).catch((error: Error) => void onError(error));
    if (this.#known?.userId !== userId) return undefined;
    try {
      return await api.refresh(this.#known.refreshToken);
    } catch (error) {
      if (!(error instanceof CarillonError) || error.retry !== "after-auth") throw error;
      this.#known = undefined;
      await kept.delete(KEY);
      return undefined;
    }
  }

  async #takeOver({ userId, accessToken, refreshToken, expiresIn }: OpenedSession): Promise<string> {
    if (typeof accessToken !== "string") throw new CarillonError("UNAVAILABLE", "the answer holds no token");
    const before = this.#known;
    this.#known = { userId, refreshToken };
    await this.#store(this.#known, before);
    this.#current = accessToken;
    this.#schedule(expiresIn);
    return accessToken;
  }

  async #store(token: Stored, before: Stored | undefined): Promise<void> {
    const { storage, kept } = this.options;
    if (this.#stopped) {
      const stored = await readJson<Stored>(storage, KEY).catch(() => before);
      // Another tab has taken the connection over, and has exchanged the token since.
      if (stored?.refreshToken !== before?.refreshToken) return;
    }
    await kept.set(KEY, token);
  }

  async #askApp(source: () => Promise<AppToken>): Promise<string> {
    const asked = (async () => source())();
    if (
      !(await settlesWithin(
        asked.catch(() => {}),
        APP_MS,
      ))
    ) {
      throw new CarillonError("UNAVAILABLE", `the app gave no token in ${APP_MS / 1_000} s`);
    }
    let given: AppToken;
    try {
      given = await asked;
    } catch (cause) {
      if (cause instanceof CarillonError) throw cause;
      throw new CarillonError("UNAVAILABLE", `the app gave no token: ${(cause as Error)?.message}`, { cause });
    }
    const { token, expiresIn } = readAppToken(given);
    if (typeof token !== "string") throw new CarillonError("UNAVAILABLE", "the app gave something else than a token");
    this.#current = token;
    this.#schedule(expiresIn);
    return token;
  }

  /** @param expiresIn seconds; undefined: the life is unknown, and the server will refuse the token at its end */
  #schedule(expiresIn: number | undefined): void {
    if (expiresIn !== undefined && expiresIn > 0) this.#renewIn(expiresIn * 1_000 * RENEW_AFTER);
  }

  #renewIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(
      () => {
        this.renew().then(this.options.onRenewed, () => this.#renewIn(RETRY_MS));
      },
      Math.min(ms, LONGEST_MS),
    );
  }
}

function readAppToken(given: AppToken): { token: unknown; expiresIn: number | undefined } {
  if (typeof given === "string") return { token: given, expiresIn: lifeOf(given) };
  if (typeof given !== "object" || given === null) return { token: undefined, expiresIn: undefined };
  const token = "token" in given ? given.token : given.accessToken;
  return { token, expiresIn: given.expiresIn ?? (typeof token === "string" ? lifeOf(token) : undefined) };
}

/**
 * Returns the life that a JWT names, in seconds; undefined if it names none. The life runs from `iat` to `exp`, so the clock of
 * this device does not matter: an app fetches a token when it is issued.
 */
function lifeOf(token: string): number | undefined {
  const [, payload] = token.split(".");
  if (payload === undefined) return undefined;
  try {
    const { iat, exp } = JSON.parse(atob(payload.replace(/-/g, "+").replace(/_/g, "/"))) as Record<string, unknown>;
    return typeof iat === "number" && typeof exp === "number" ? exp - iat : undefined;
  } catch {
    return undefined;
  }
}
