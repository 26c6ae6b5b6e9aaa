import { readFileSync } from "node:fs";
import type { ConnectionBounds } from "@carillon/base";
import {
  advertisedHost,
  checkHost,
  checkProxies,
  hostInAddress,
  type Issuer,
  loadSettings,
  nodeIdOf,
  readIssuers,
  type Settings,
} from "@carillon/base/node";
import { type ConnectionLimits, limits } from "@carillon/protocol";

export interface GatewayConfig extends Pick<Settings, "nats" | "gateway" | "limits" | "metrics" | "log"> {
  nodeId: string;
  secret: string;
  /** Other issuers of access tokens. */
  issuers: Issuer[];
  /** Host in the addresses that clients are told, in the form for use in front of a port. */
  advertiseHost: string;
  /** Bounds on the connections at one time. */
  connectionBounds: ConnectionBounds;
  /** The limits that CONNECTED tells a client. */
  connectionLimits: ConnectionLimits;
}

/** Files and connections that a gateway has open besides the connections of its clients. */
const FILES_KEPT = 128;

/** How many files this process may have open; without a limit where the system does not name one. */
function openFiles(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** @throws SettingsError */
export function loadConfig(): GatewayConfig {
  const settings = loadSettings();
  const { nats, gateway, limits: clientLimits, metrics, log, auth } = settings;
  return {
    nodeId: nodeIdOf(settings, "gateway"),
    secret: auth.secret!,
    issuers: readIssuers(auth.issuers),
    advertiseHost: hostInAddress(advertisedHost(gateway.advertiseHost, checkHost("gateway.host", gateway.host))),
    connectionBounds: {
      inAll: Math.min(gateway.maxConnections, openFiles() - FILES_KEPT),
      perAddress: gateway.maxConnectionsPerAddress,
    },
    connectionLimits: {
      frameBytes: limits.maxPayloadBytes,
      contentBytes: limits.maxContentBytes,
      pullEvents: limits.maxPageEntries,
      framesPerSecond: clientLimits.framesPerSecond,
      messagesPerSecond: clientLimits.messagesPerSecond,
      watchedUsers: limits.maxWatchedUsers,
    },
    nats,
    gateway: { ...gateway, trustProxy: [...checkProxies("gateway.trustProxy", gateway.trustProxy)] },
    limits: clientLimits,
    metrics,
    log,
  };
}
