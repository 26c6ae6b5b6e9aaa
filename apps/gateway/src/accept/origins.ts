/**
 * The pages that may open a WebSocket. A browser names the origin of the page in the upgrade; other clients name none, and this
 * check does not concern them. A page of a stranger could only use a token that its user has given to it, so this is a second
 * line of defence.
 */
import type { IncomingMessage } from "node:http";
import { SettingsError } from "@carillon/base/node";

const EVERY_PAGE = "*";
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

export class Origins {
  private readonly allowed: readonly RegExp[];

  /**
   * @param origins the setting `gateway.origins`; empty: pages of the same host, and of this machine if the gateway is on it
   * @throws SettingsError for an entry that is no origin
   */
  constructor(origins: readonly string[]) {
    this.allowed = origins.map(patternOf);
  }

  admits({ headers }: Pick<IncomingMessage, "headers">): boolean {
    const { origin, host = "" } = headers;
    if (origin === undefined) return true;
    if (this.allowed.length > 0) return this.allowed.some((pattern) => pattern.test(origin));
    const [page, own] = [hostOf(origin), hostOf(`http://${host}`)];
    if (page === undefined || own === undefined) return false;
    return page === own || (LOOPBACK.test(page) && LOOPBACK.test(own));
  }
}

function patternOf(entry: string): RegExp {
  if (entry === EVERY_PAGE) return /^/;
  const [, scheme, wildcard = "", host] = /^(https?):\/\/(\*\.)?([A-Za-z0-9.:[\]-]+)$/.exec(entry) ?? [];
  if (scheme === undefined || host === undefined) {
    throw new SettingsError(
      `gateway.origins: ${entry} is no origin: https://app.example.org, https://*.example.org, or * for every page`,
    );
  }
  const literal = (text: string) => text.replace(/[.[\]]/g, "\\$&");
  return new RegExp(`^${scheme}://${wildcard === "" ? "" : "([a-z0-9-]+\\.)+"}${literal(host)}$`, "i");
}

/** @returns undefined for the origin of a page without a host (`null`, of a sandboxed frame or a file) */
function hostOf(url: string): string | undefined {
  try {
    return new URL(url).hostname;
  } catch {
    return undefined;
  }
}
