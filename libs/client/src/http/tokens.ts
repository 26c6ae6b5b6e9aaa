/**
 * Access tokens: from a password, from a refresh token, or from the app. One request at a time, whoever asks, because
 * a refresh token that is shown twice revokes the device.
 *
 * A refresh token is void once it was shown. So the next one is stored before it is used, and when it is refused
 * (its answer was lost, the device was logged out) the password, if the app gave one, opens a new session.
 */
import { CarillonError, type Platform } from "@carillon/protocol";
import { type ClientStorage, readJson } from "../storage/storage";
import type { HttpApi, TokenAnswer } from "./http-api";

/** A token that the app has, or a way to a fresh one. */
export type TokenSource = string | (() => Promise<string>);

/** What the user logs in with. */
export interface Credentials {
  userId: string;
  password: string;
}

export interface TokensOptions {
  api: HttpApi;
  storage: ClientStorage;
  deviceId: string;
  platform: Platform;
  credentials?: Credentials | undefined;
  token?: TokenSource | undefined;
  /** A fresh token came while the client runs. */
  onRenewed(token: string): void;
}

const KEY = "tokens";
/** Part of a token's life after which it is exchanged. */
const RENEW_AFTER = 0.8;
const RETRY_MS = 5_000;

interface Stored {
  userId: string;
  refreshToken: string;
}

export class Tokens {
  private current: string | undefined;
  private pending: Promise<string> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;

  constructor(private readonly options: TokensOptions) {}

  /** A token that is good as far as we know. @throws CarillonError when there is none to be had */
  access(): Promise<string> {
    return this.current === undefined ? this.renew() : Promise.resolve(this.current);
  }

  /** A fresh token, because the server refused the last one. */
  renew(): Promise<string> {
    this.pending ??= this.fetch().finally(() => {
      this.pending = undefined;
    });
    return this.pending;
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private async fetch(): Promise<string> {
    const { token, credentials } = this.options;
    if (credentials !== undefined) return this.takeOver(await this.exchange(credentials));
    if (typeof token === "function") {
      this.current = await token();
      return this.current;
    }
    // A token that the app gave as text cannot be exchanged: once refused, it is over.
    if (token === undefined || this.current !== undefined) throw new CarillonError("TOKEN_EXPIRED");
    this.current = token;
    return token;
  }

  private async exchange({ userId, password }: Credentials): Promise<TokenAnswer> {
    const { api, storage, deviceId, platform } = this.options;
    const stored = await readJson<Stored>(storage, KEY);
    if (stored?.userId === userId) {
      try {
        return await api.refresh(stored.refreshToken);
      } catch (error) {
        if (!(error instanceof CarillonError) || error.retry !== "after-auth") throw error;
        await storage.delete(KEY);
      }
    }
    return api.logIn({ userId, password, deviceId, platform });
  }

  private async takeOver({ userId, accessToken, refreshToken, expiresIn }: TokenAnswer): Promise<string> {
    await this.options.storage.set(KEY, JSON.stringify({ userId, refreshToken } satisfies Stored));
    this.current = accessToken;
    this.schedule(expiresIn * 1_000 * RENEW_AFTER);
    return accessToken;
  }

  private schedule(ms: number): void {
    clearTimeout(this.timer);
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.renew().then(this.options.onRenewed, () => this.schedule(RETRY_MS));
    }, ms);
  }
}
