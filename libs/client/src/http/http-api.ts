/** The HTTP API, as far as a client needs it. */
import { CarillonError, type Event, type GatewayAddress, type Platform } from "@carillon/protocol";

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
  lastSeq: number;
  more: boolean;
}

export interface LogIn {
  userId: string;
  password: string;
  deviceId: string;
  platform: Platform;
}

const TIMEOUT_MS = 10_000;

export class HttpApi {
  private readonly base: string;

  /** @param api `http://host:port`, with or without a slash at the end */
  constructor(api: string) {
    this.base = api.replace(/\/+$/, "");
  }

  /** @throws CarillonError CONFLICT when the name is taken */
  async register(userId: string, displayName: string, password: string): Promise<void> {
    await this.call("POST", "/v1/users", { body: { userId, displayName, password } });
  }

  async logIn(body: LogIn): Promise<TokenAnswer> {
    return this.call("POST", "/v1/sessions", { body });
  }

  async refresh(refreshToken: string): Promise<TokenAnswer> {
    return this.call("POST", "/v1/sessions/refresh", { body: { refreshToken } });
  }

  /** Gateways for the token's user, the right one first. */
  async route(token: string): Promise<GatewayAddress[]> {
    return (await this.call<{ gateways: GatewayAddress[] }>("GET", "/v1/route", { token })).gateways;
  }

  async history(token: string, conversationId: string, range: { before?: number; limit?: number }): Promise<History> {
    const query = Object.entries(range).flatMap(([key, value]) => (value === undefined ? [] : `${key}=${value}`));
    const where = `/v1/conversations/${encodeURIComponent(conversationId)}/messages?${query.join("&")}`;
    return this.call("GET", where, { token });
  }

  /** @throws CarillonError of the answer, or UNAVAILABLE when there is none */
  private async call<T>(method: string, path: string, { body, token }: { body?: object; token?: string }): Promise<T> {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["content-type"] = "application/json";
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    const options = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
    let text: string;
    let ok: boolean;
    try {
      const answer = await fetch(
        this.base + path,
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

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
