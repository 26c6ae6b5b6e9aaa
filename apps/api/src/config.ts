import {
  checkHost,
  checkProxies,
  type Issuer,
  loadSettings,
  nodeIdOf,
  readIssuers,
  type Settings,
  withAccount,
} from "@carillon/base/node";

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
    | "metrics"
    | "log"
  > {
  nodeId: string;
  /** Key that signs access tokens. */
  secret: string;
  /** Other issuers of access tokens. */
  issuers: Issuer[];
  accessTokenSeconds: number;
  refreshTokenMs: number;
}

/** @throws SettingsError */
export function loadConfig(): ApiConfig {
  const settings = loadSettings();
  const { nats, redis, mysql } = withAccount(settings, "api");
  const { api, registration, policy, relations, groups, retention, limits, metrics, log, auth } = settings;
  return {
    nodeId: nodeIdOf(settings, "api"),
    secret: auth.secret!,
    issuers: readIssuers(auth.issuers),
    accessTokenSeconds: auth.accessTokenSeconds,
    refreshTokenMs: auth.refreshTokenDays * 24 * 3_600_000,
    nats,
    redis,
    mysql,
    api: {
      ...api,
      host: checkHost("api.host", api.host),
      trustProxy: [...checkProxies("api.trustProxy", api.trustProxy)],
    },
    registration,
    policy,
    relations,
    groups,
    retention,
    limits,
    metrics,
    log,
  };
}
