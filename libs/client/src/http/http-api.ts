/** The HTTP API: requests and answers, and what is asked without a log-in. */
import { CarillonError, type Event, type Platform } from "@carillon/protocol";
import { withTimeout } from "../abort";

/** Answer to a log-in and to a refresh. */
export interface TokenAnswer {
  userId: string;
  accessToken: string;
  refreshToken: string;
  /** Life of the access token, seconds. */
  expiresIn: number;
}

/** A part of a conversation, ascending. */
export interface History {
  conversationId: string;
  messages: Event[];
  /** The highest number of the conversation. */
  lastSeq: number;
  /** Whether there are older ones. */
  more: boolean;
}

/** A part of a list. */
export interface Page<T> {
  items: T[];
  /** Continues behind this page; absent when it is the last. */
  cursor?: string;
}

/** Which part of a list. */
export interface PageRange {
  /** 1-200, default 50. */
  limit?: number;
  /** Of the page before. */
  cursor?: string;
}

/** Who logs in, on which device. */
export interface LogIn {
  userId: string;
  password: string;
  deviceId: string;
  platform: Platform;
}

/** What a request brings. */
export interface HttpRequest {
  body?: object | undefined;
  token?: string | undefined;
  /** Values that are undefined are left out. */
  query?: object | undefined;
}

/** Enough for a round trip of two seconds and more, with the four that a new connection takes. */
const TIMEOUT_MS = 15_000;

/** Talks to the API of a cluster. */
export class HttpApi {
  readonly #base: string;

  /** @param api `http://host:port`, with or without a slash at the end */
  constructor(api: string) {
    this.#base = api.replace(/\/+$/, "");
  }

  /** @throws CarillonError BAD_PAYLOAD when the address is none: no try would ever succeed */
  check(): void {
    if (!/^https?:\/\/[^/?#\s]+/i.test(this.#base) || !isUrl(this.#base)) {
      throw new CarillonError("BAD_PAYLOAD", `the address of the API is none: ${this.#base} (http://host:port is one)`);
    }
  }

  /** Makes an account. @throws CarillonError CONFLICT when the name is taken; FORBIDDEN where registration is closed */
  async register(userId: string, displayName: string, password: string): Promise<void> {
    await this.call("POST", "/v1/users", { body: { userId, displayName, password } });
  }

  /** Logs a device in. @throws CarillonError NOT_AUTHENTICATED, RATE_LIMITED */
  async logIn(body: LogIn): Promise<TokenAnswer> {
    return this.call("POST", "/v1/sessions", { body });
  }

  /** Exchanges a refresh token; the one that was shown is void then. @throws CarillonError TOKEN_REVOKED */
  async refresh(refreshToken: string): Promise<TokenAnswer> {
    return this.call("POST", "/v1/sessions/refresh", { body: { refreshToken } });
  }

  /**
   * Any request.
   * @returns the body of the answer; undefined when it has none
   * @throws CarillonError of the answer, or UNAVAILABLE when there is none
   */
  async call<T>(method: string, path: string, { body, token, query = {} }: HttpRequest = {}): Promise<T> {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["content-type"] = "application/json";
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    const request = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
    let text: string;
    let ok: boolean;
    try {
      [ok, text] = await withTimeout(TIMEOUT_MS, async (signal) => {
        const answer = await fetch(this.#base + path + toQuery(query), { ...request, signal });
        return [answer.ok, await answer.text()];
      });
    } catch (cause) {
      throw new CarillonError("UNAVAILABLE", `${this.#base} cannot be reached`, { cause });
    }
    const json = parse(text);
    // A network that wants to be paid first answers everything with a page of its own.
    if (ok && (text === "" || json !== undefined)) return json as T;
    if (typeof json?.["code"] === "number") throw CarillonError.fromPayload(json as never);
    throw new CarillonError("UNAVAILABLE", `${this.#base} answered something that is not of Carillon`);
  }
}

function isUrl(text: string): boolean {
  if (typeof URL === "undefined") return true;
  try {
    new URL(text);
    return true;
  } catch {
    return false;
  }
}

function toQuery(query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  if (given.length === 0) return "";
  return `?${given.map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`).join("&")}`;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
