import { readFileSync } from "node:fs";
import type { ConnectionBounds } from "@carillon/base";
import {
  checkProxies,
  type IssuerSettings,
  loadSettings,
  nodeIdOf,
  type Settings,
  secretsOf,
  TokenSecrets,
  withAccount,
} from "@carillon/base/node";
import { type ConnectionLimits, limits } from "@carillon/protocol";
import { type ListenerConfig, readListeners } from "./listeners";

export interface GatewayConfig extends Pick<Settings, "nats" | "gateway" | "limits" | "metrics" | "log"> {
  nodeId: string;
  /** Sign access tokens. */
  secrets: TokenSecrets;
  /** Other issuers of access tokens. */
  issuers: readonly IssuerSettings[];
  listeners: ListenerConfig[];
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
  const { gateway, limits: clientLimits, metrics, log, auth } = settings;
  const { nats } = withAccount(settings, "gateway");
  return {
    nodeId: nodeIdOf(settings, "gateway"),
    secrets: new TokenSecrets(secretsOf(auth, Date.now())),
    issuers: auth.issuers,
    listeners: readListeners(gateway),
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
