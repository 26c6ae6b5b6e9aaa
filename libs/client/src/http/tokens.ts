/**
 * Access tokens: from a password, from a refresh token, or from the app. One request at a time, whoever asks, because
 * a refresh token that is shown twice revokes the device.
 *
 * A refresh token is void once it was shown. So the next one is stored before it is used, and when it is refused
 * (its answer was lost, the device was logged out) the password, if the app gave one, opens a new session.
 *
 * Every token is exchanged before it ends, where its life is known. The app's own function may hang, throw or give
 * something else than a token: then it is asked again, as a server that does not answer would be.
 */
import { settlesWithin } from "@carillon/base";
import { CarillonError, type Platform } from "@carillon/protocol";
import type { KeptValues } from "../storage/kept-values";
import { type ClientStorage, readJson } from "../storage/storage";
import type { HttpApi, TokenAnswer } from "./http-api";

/** What an app's function may give: a token, or one with its life, or the answer of `POST /v1/admin/tokens` as it is. */
export type AppToken =
  | string
  | {
      token: string;
      /** Seconds; default: what the token says of itself. */
      expiresIn?: number;
    }
  | Pick<TokenAnswer, "accessToken" | "expiresIn">;

/** A token that the app has, or a way to a fresh one. */
export type TokenSource = string | (() => Promise<AppToken>);

/** What the user logs in with. */
export interface Credentials {
  userId: string;
  /** Without it only a stored session goes on; when there is none, `connect` rejects with NOT_AUTHENTICATED: ask for it. */
  password?: string;
}

/** A session that a back end has opened: what `POST /v1/admin/tokens` and `POST /v1/sessions` answer. */
export type OpenedSession = Pick<TokenAnswer, "userId" | "accessToken" | "refreshToken" | "expiresIn">;

export interface TokensOptions {
  api: Pick<HttpApi, "refresh" | "logIn">;
  storage: ClientStorage;
  /** What is stored of an older token is void, and would end the session when it is shown in the next life. */
  kept: KeptValues;
  deviceId: string;
  platform: Platform;
  credentials?: Credentials | undefined;
  session?: OpenedSession | undefined;
  token?: TokenSource | undefined;
  /** A fresh token came while the client runs. */
  onRenewed(token: string): void;
  /** The storage does not take the next refresh token: after this life somebody has to log in again. */
  onError(error: Error): void;
}

const KEY = "tokens";
/** Part of a token's life after which it is exchanged. */
const RENEW_AFTER = 0.8;
const RETRY_MS = 5_000;
/** The longest that a timer of a platform can wait, ms. */
const LONGEST_MS = 2 ** 31 - 1;
/** How long an app's function is waited for. */
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
  /** Taken from the storage, or from the last answer: what the storage does not take is used all the same. */
  #known: Stored | undefined;
  /** What a back end gave is good for the first time only. */
  #opened: OpenedSession | undefined;

  constructor(private readonly options: TokensOptions) {
    this.#opened = options.session;
  }

  /** A token that is good as far as we know. @throws CarillonError when there is none to be had */
  access(): Promise<string> {
    return this.#current === undefined ? this.renew() : Promise.resolve(this.#current);
  }

  /** A fresh token, because the server refused the last one. */
  renew(): Promise<string> {
    // A client that has ended does not log in again.
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
    // A token that the app gave as text cannot be exchanged: once refused, it is over.
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

  /** A session that was opened before is gone on with, also in a later life of the app, which has the old one at hand. */
  async #goOn(session: OpenedSession): Promise<OpenedSession> {
    const opened = this.#opened;
    this.#opened = undefined;
    const refreshed = await this.#refresh(session.userId);
    if (refreshed !== undefined) return refreshed;
    if (opened !== undefined) return opened;
    throw new CarillonError("TOKEN_REVOKED", "the session is over: open another one");
  }

  /** @returns undefined when there is no refresh token, or it is refused */
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
      // Another tab has taken the connection over, and has gone on from there.
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

  /** @param expiresIn seconds; undefined: nobody knows, the server will say */
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
 * What a JWT says of its life, in seconds; undefined where it says nothing. From its beginning to its end, so that this
 * device's clock does not matter: an app fetches it when it is made.
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
