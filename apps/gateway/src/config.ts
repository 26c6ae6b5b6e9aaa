import { type Issuer, loadSettings, nodeIdOf, readIssuers, type Settings } from "@carillon/base/node";
import { type ConnectionLimits, limits } from "@carillon/protocol";

export interface GatewayConfig extends Pick<Settings, "nats" | "gateway" | "limits" | "log"> {
  nodeId: string;
  secret: string;
  /** Who else signs access tokens. */
  issuers: Issuer[];
  /** Host that clients are told. */
  advertiseHost: string;
  /** What CONNECTED tells a client. */
  connectionLimits: ConnectionLimits;
}

/** @throws SettingsError */
export function loadConfig(): GatewayConfig {
  const settings = loadSettings();
  const { nats, gateway, limits: clientLimits, log, auth } = settings;
  return {
    nodeId: nodeIdOf(settings, "gateway"),
    secret: auth.secret!,
    issuers: readIssuers(auth.issuers),
    advertiseHost: gateway.advertiseHost ?? gateway.host,
    connectionLimits: {
      frameBytes: limits.maxPayloadBytes,
      contentBytes: limits.maxContentBytes,
      pullEvents: limits.maxPageEntries,
      framesPerSecond: clientLimits.framesPerSecond,
      messagesPerSecond: clientLimits.messagesPerSecond,
      watchedUsers: limits.maxWatchedUsers,
    },
    nats,
    gateway,
    limits: clientLimits,
    log,
  };
}
