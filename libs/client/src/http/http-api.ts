/** The HTTP API: requests and answers, and what is asked without a log-in. */
import { CarillonError, type Event, type Platform } from "@carillon/protocol";

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

const TIMEOUT_MS = 10_000;

/** Talks to the API of a cluster. */
export class HttpApi {
  private readonly base: string;

  /** @param api `http://host:port`, with or without a slash at the end */
  constructor(api: string) {
    this.base = api.replace(/\/+$/, "");
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
    const options = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
    let text: string;
    let ok: boolean;
    try {
      const answer = await fetch(
        this.base + path + toQuery(query),
        body === undefined ? options : { ...options, body: JSON.stringify(body) },
      );
      ok = answer.ok;
      text = await answer.text();
    } catch (cause) {
      throw new CarillonError("UNAVAILABLE", `${this.base} cannot be reached`, { cause });
    }
    const json = parse(text);
    if (ok) return json as T;
    if (typeof json?.["code"] === "number") throw CarillonError.fromPayload(json as never);
    throw new CarillonError("UNAVAILABLE", `${this.base} answered something that is not of Carillon`);
  }
}

function toQuery(query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  if (given.length === 0) return "";
  return `?${new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)]))}`;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
