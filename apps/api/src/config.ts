import {
  checkHost,
  checkProxies,
  type IssuerSettings,
  loadSettings,
  nodeIdOf,
  type Settings,
  SettingsError,
  secretsOf,
  TokenSecrets,
  withAccount,
} from "@carillon/base/node";

export type OidcSettings = NonNullable<Settings["auth"]["oidc"]>;

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
    | "audit"
    | "limits"
    | "metrics"
    | "log"
  > {
  nodeId: string;
  /** Sign access tokens. */
  secrets: TokenSecrets;
  /** Other issuers of access tokens. */
  issuers: readonly IssuerSettings[];
  /** Log-in by an OpenID provider. */
  oidc?: OidcSettings;
  accessTokenSeconds: number;
  refreshTokenMs: number;
}

/** @throws SettingsError */
export function loadConfig(): ApiConfig {
  const settings = loadSettings();
  const { nats, redis, mysql } = withAccount(settings, "api");
  const { api, registration, policy, relations, groups, retention, audit, limits, metrics, log, auth } = settings;
  return {
    nodeId: nodeIdOf(settings, "api"),
    secrets: new TokenSecrets(secretsOf(auth, Date.now())),
    issuers: auth.issuers,
    ...(auth.oidc === undefined ? {} : { oidc: checkOidc(auth.oidc) }),
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
    audit,
    limits,
    metrics,
    log,
  };
}

/** @throws SettingsError */
function checkOidc(oidc: OidcSettings): OidcSettings {
  if (!oidc.scopes.includes("openid")) throw new SettingsError("auth.oidc.scopes: openid must be among them");
  if (oidc.operatorClaim === undefined && oidc.operatorValues.length > 0) {
    throw new SettingsError("auth.oidc.operatorValues needs auth.oidc.operatorClaim");
  }
  return oidc;
}
