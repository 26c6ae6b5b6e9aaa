import { isIP } from "node:net";
import { type Issuer, loadSettings, nodeIdOf, readIssuers, type Settings, SettingsError } from "@carillon/base/node";

export interface ApiConfig
  extends Pick<
    Settings,
    | "nats"
    | "redis"
    | "mysql"
    | "api"
    | "registration"
    | "policy"
    | "relations"
    | "groups"
    | "retention"
    | "limits"
    | "log"
  > {
  nodeId: string;
  /** Key that signs access tokens. */
  secret: string;
  /** Who else signs access tokens. */
  issuers: Issuer[];
  accessTokenSeconds: number;
  refreshTokenMs: number;
}

/** Names of networks that the HTTP server knows. */
const NETWORKS = new Set(["loopback", "linklocal", "uniquelocal"]);

/**
 * Proxies whose word about the client's address is believed. `true`, everybody, is refused: a client is the first to
 * write that header, so each could name any address as its own, and what is limited by address would not be limited.
 * @throws SettingsError for what is neither an address, a network, nor a name of one
 */
export function checkProxies(proxies: readonly string[]): readonly string[] {
  for (const proxy of proxies) {
    if (proxy === "true") {
      throw new SettingsError(
        "api.trustProxy: true would believe every client; name them: addresses, networks, or loopback",
      );
    }
    if (!NETWORKS.has(proxy) && !isNetwork(proxy)) {
      throw new SettingsError(`api.trustProxy: ${proxy} is no address, no network like 10.0.0.0/8, and not loopback`);
    }
  }
  return proxies;
}

function isNetwork(text: string): boolean {
  const [address, mask, ...rest] = text.split("/") as [string, ...string[]];
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  if (mask === undefined) return true;
  if (/^\d{1,3}$/.test(mask)) return Number(mask) <= (version === 4 ? 32 : 128);
  return version === 4 && isIP(mask) === 4 && isMask(mask);
}

/** Ones, then zeros. */
function isMask(mask: string): boolean {
  return /^1*0*$/.test(
    mask
      .split(".")
      .map((byte) => Number(byte).toString(2).padStart(8, "0"))
      .join(""),
  );
}

/** @throws SettingsError */
export function loadConfig(): ApiConfig {
  const settings = loadSettings();
  const { nats, redis, mysql, api, registration, policy, relations, groups, retention, limits, log, auth } = settings;
  return {
    nodeId: nodeIdOf(settings, "api"),
    secret: auth.secret!,
    issuers: readIssuers(auth.issuers),
    accessTokenSeconds: auth.accessTokenSeconds,
    refreshTokenMs: auth.refreshTokenDays * 24 * 3_600_000,
    nats,
    redis,
    mysql,
    api: { ...api, trustProxy: [...checkProxies(api.trustProxy)] },
    registration,
    policy,
    relations,
    groups,
    retention,
    limits,
    log,
  };
}
