/** The HTTP API: requests and answers, and the calls that need no log-in. */
import { CarillonError, type Event, type Platform } from "@carillon/protocol";
import { withTimeout } from "../abort";

/** The answer to a log-in and to a refresh. */
export interface TokenAnswer {
  userId: string;
  accessToken: string;
  refreshToken: string;
  /** Life of the access token, seconds. */
  expiresIn: number;
}

/** A part of a conversation, in ascending order. */
export interface History {
  conversationId: string;
  messages: Event[];
  /** The highest number of the conversation. */
  lastSeq: number;
  /** Whether there are older messages. */
  more: boolean;
}

/** A part of a list. */
export interface Page<T> {
  items: T[];
  /** Pass it to get the next page; absent on the last page. */
  cursor?: string;
}

/** The range of a page in a list. */
export interface PageRange {
  /** 1-200, default 50. */
  limit?: number;
  /** The `cursor` of the page before. */
  cursor?: string;
}

/** A log-in of a user on a device. */
export interface LogIn {
  userId: string;
  password: string;
  deviceId: string;
  platform: Platform;
}

/** The parts of a request. */
export interface HttpRequest {
  body?: object | undefined;
  token?: string | undefined;
  /** Parameters of the query; the client leaves out undefined values. */
  query?: object | undefined;
}

/** Requests over HTTP in the name of the user. */
export interface Api {
  /** @throws CarillonError of the refusal; UNAVAILABLE without an answer */
  call<T>(method: string, path: string, request?: Omit<HttpRequest, "token">): Promise<T>;
}

/** The time for an answer, ms: enough for round trips of more than 2 s, of which a new connection takes four. */
const TIMEOUT_MS = 15_000;

/** Sends requests to the API of a cluster. */
export class HttpApi {
  readonly #base: string;

  /** @param api `http://host:port`, with or without a slash at the end */
  constructor(api: string) {
    this.#base = api.replace(/\/+$/, "");
  }

  /** Checks the address of the API: with a wrong one no attempt can succeed. @throws CarillonError BAD_PAYLOAD */
  check(): void {
    if (!/^https?:\/\/[^/?#\s]+/i.test(this.#base) || !isUrl(this.#base)) {
      throw new CarillonError("BAD_PAYLOAD", `the address of the API is none: ${this.#base} (http://host:port is one)`);
    }
  }

  /** Creates an account. @throws CarillonError CONFLICT if the id is taken; FORBIDDEN if registration is closed */
  async register(userId: string, displayName: string, password: string): Promise<void> {
    await this.call("POST", "/v1/users", { body: { userId, displayName, password } });
  }

  /** Logs a device in. @throws CarillonError NOT_AUTHENTICATED, RATE_LIMITED */
  async logIn(body: LogIn): Promise<TokenAnswer> {
    return this.call("POST", "/v1/sessions", { body });
  }

  /** Exchanges a refresh token for new tokens; the old refresh token is void then. @throws CarillonError TOKEN_REVOKED */
  async refresh(refreshToken: string): Promise<TokenAnswer> {
    return this.call("POST", "/v1/sessions/refresh", { body: { refreshToken } });
  }

  /**
   * Makes a request.
   * @returns the body of the answer; undefined if it has none
   * @throws CarillonError of the answer, or UNAVAILABLE without an answer
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
    // A network that demands a log-in or payment first (captive portal) answers every request with a page of its own.
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
