/**
 * Every setting of every process, with its meaning and default. One file `carillon.json` serves the whole cluster, so that two
 * processes cannot disagree. A variable CARILLON_<PATH> can set each setting as well (`gateway.tcpPort` is
 * CARILLON_GATEWAY_TCP_PORT). `npm run generate` writes docs/configuration.md from this file.
 */
import { type Static, type TObject, type TProperties, Type } from "typebox";

/** A section. It refuses unknown keys: an ignored misspelt key would be found too late. */
function section<T extends TProperties>(description: string, properties: T): TObject<T> {
  return Type.Object(properties, { additionalProperties: false, default: {}, description });
}

const port = (description: string, fallback: number) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: fallback, description });

const count = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ minimum, maximum: 2 ** 50, default: fallback, description });

/** Maximum of a time, s: a timer of Node.js counts at most 2^31 ms, and fires at once when it is set to more. */
const MOST_SECONDS = 2_000_000;

const seconds = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ minimum, maximum: MOST_SECONDS, default: fallback, description });

const MOST_DAYS = 36_500;

const days = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ minimum, maximum: MOST_DAYS, default: fallback, description });

const proxies = (where: string) =>
  Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    description: `Proxies whose X-Forwarded-For the process trusts ${where}: addresses, networks like \`10.0.0.0/8\`, or \`loopback\`. It cannot be \`true\`, because a client could then claim any address.`,
  });

const weight = Type.Integer({
  minimum: 1,
  maximum: 100,
  default: 1,
  description: "Share of this node relative to the others of its role.",
});

const tls = (server: string) =>
  section(`Encryption of the connections to ${server}.`, {
    enabled: Type.Boolean({ default: false, description: `Whether connections to ${server} are encrypted.` }),
    caFile: Type.Optional(
      Type.String({
        description:
          "PEM file of the authority that signs the server's certificate. Default: the authorities that Node.js trusts.",
      }),
    ),
    certFile: Type.Optional(Type.String({ description: "PEM file of the client certificate that the process shows." })),
    keyFile: Type.Optional(Type.String({ description: "PEM file of the key of that certificate." })),
    verify: Type.Boolean({
      default: true,
      description:
        "Whether the server's certificate must be valid. If not, anybody between process and server can pose as the server.",
    }),
  });

const account = (use: string) =>
  Type.Optional(
    Type.String({
      minLength: 16,
      maxLength: 128,
      // The same text in a configuration of NATS, in an ACL file of Redis, in a statement of SQL and in an address.
      pattern: "^[A-Za-z0-9_-]+$",
      description: `Password of the account \`carillon-<role>\` with which ${use}: at least 16 letters, digits, \`_\`, \`-\`. Default: the role uses \`nats.user\`, \`redis.url\` and \`mysql.url\` as they are.`,
      secret: true,
    }),
  );

/** Files of a server's certificate. */
const certificate = Type.Object(
  {
    certFile: Type.String({ minLength: 1 }),
    keyFile: Type.String({ minLength: 1 }),
    caFile: Type.Optional(Type.String({ minLength: 1 })),
  },
  { additionalProperties: false },
);

const URL_FORM = "^https?://[!-~]+$";

const MOMENT = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,3})?Z$";

/** A secret that signs access tokens, and when it does. */
const tokenSecret = Type.Object(
  {
    kid: Type.String({ pattern: "^[A-Za-z0-9_-]{1,32}$" }),
    secret: Type.String({ minLength: 32 }),
    since: Type.Optional(Type.String({ pattern: MOMENT })),
    until: Type.Optional(Type.String({ pattern: MOMENT })),
  },
  { additionalProperties: false },
);

/** Another system that signs access tokens, and where its public keys are. */
const issuer = Type.Object(
  {
    issuer: Type.String({ minLength: 1 }),
    publicKeyFile: Type.Optional(Type.String({ minLength: 1 })),
    jwksFile: Type.Optional(Type.String({ minLength: 1 })),
    jwksUrl: Type.Optional(Type.String({ pattern: URL_FORM })),
    algorithms: Type.Optional(Type.Array(Type.Enum(["RS256", "ES256", "EdDSA"]), { minItems: 1 })),
    audience: Type.Optional(Type.String({ minLength: 1 })),
    maxTokenSeconds: Type.Optional(Type.Integer({ minimum: 5, maximum: MOST_SECONDS })),
    operators: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

/** Log-in by an OpenID provider. */
const oidc = Type.Object(
  {
    issuer: Type.String({
      pattern: URL_FORM,
      description: "The provider's issuer, under which its `/.well-known/openid-configuration` is found.",
    }),
    clientId: Type.String({ minLength: 1, description: "The id that the provider gave Carillon." }),
    clientSecret: Type.Optional(
      Type.String({ minLength: 1, description: "The secret that belongs to it.", secret: true }),
    ),
    clientAuthentication: Type.Enum(["client_secret_basic", "client_secret_post"], {
      default: "client_secret_basic",
      description: "How the api shows the secret to the provider.",
    }),
    callbackUrl: Type.String({
      pattern: URL_FORM,
      description: "The address of the api's `/v1/oidc/callback`, as browsers and the provider know it.",
    }),
    returnTo: Type.Array(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9+.-]*:[!-"$-~]+$' }), {
      minItems: 1,

      description:
        "The pages of apps to which a log-in may return, as whole addresses without `#`. The first is the default.",
    }),
    scopes: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      default: ["openid", "profile"],
      description: "What Carillon asks the provider for; `openid` must be among it.",
    }),
    userClaim: Type.String({
      minLength: 1,
      default: "sub",
      description: "The claim that is the user's id. People must not be able to choose its value at the provider.",
    }),
    nameClaim: Type.String({
      minLength: 1,
      default: "name",
      description: "The claim with the name of a user who is created.",
    }),
    createUsers: Type.Boolean({ default: false, description: "Whether a user who has no account gets one." }),
    operatorClaim: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "The claim, a text or a list of texts, that tells operators. With it, each log-in by the provider makes the user an operator, or ends that.",
      }),
    ),
    operatorValues: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: "The values of `operatorClaim` that make an operator.",
    }),
  },
  { additionalProperties: false, description: "Log-in by an OpenID provider." },
);

/** An address at which a gateway listens for clients. */
const listener = Type.Object(
  {
    transport: Type.Enum(["tcp", "ws", "udp"]),
    host: Type.String({ minLength: 1 }),
    port: Type.Integer({ minimum: 0, maximum: 65_535 }),
    tls: Type.Optional(certificate),
    proxyProtocol: Type.Optional(Type.Boolean()),
    advertise: Type.Optional(
      Type.Object(
        {
          host: Type.Optional(Type.String({ minLength: 1 })),
          port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
          path: Type.Optional(Type.String({ pattern: "^/[!-~]*$", maxLength: 256 })),
          tls: Type.Optional(Type.Boolean()),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

export type ListenerSettings = Static<typeof listener>;

export const settingsSchema = section("", {
  mode: Type.Enum(["development", "production"], {
    default: "development",
    description:
      "In `production`, a process refuses to start without `auth.secret` or `auth.secrets`, and with plain links (`allowPlainLinks`); in `development` it uses a well-known secret.",
  }),
  allowPlainLinks: Type.Boolean({
    default: false,
    description:
      "In `production`: whether links to stores on other machines, and listeners on all addresses (`0.0.0.0`, `::`), may be plain. Otherwise a process refuses to start with them.",
  }),
  nodeId: Type.Optional(
    Type.String({
      pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
      description: "Name of this node, unique in its role. Default: the role and the host name.",
    }),
  ),
  registration: Type.Enum(["open", "closed"], {
    default: "open",
    description: "Whether anybody may register an account. With `closed`, only operators and API keys create accounts.",
  }),
  log: section("Logging.", {
    level: Type.Enum(["trace", "debug", "info", "warn", "error", "fatal"], {
      default: "info",
      description: "The lowest level that is written.",
    }),
  }),
  metrics: section("What Prometheus reads.", {
    token: Type.Optional(
      Type.String({
        minLength: 16,
        maxLength: 1_024,
        pattern: "^[!-~]+$",
        description:
          "The token that a reader of `/metrics` must send to any process, as `Authorization: Bearer ...`; at least 16 characters. Without this setting, everybody who reaches the port may read the metrics.",
        secret: true,
      }),
    ),
  }),
  accounts: section("An account for each role at NATS, Redis and MySQL.", {
    gateway: account("gateways log in to NATS"),
    worker: account("workers log in to NATS, Redis and MySQL"),
    archiver: account("archivers log in to NATS and MySQL"),
    api: account("apis log in to NATS, Redis and MySQL"),
    operator: account("the command line logs in to NATS, Redis and MySQL"),
  }),
  nats: section("NATS JetStream: queue, log, coordination.", {
    servers: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      default: ["nats://127.0.0.1:4222"],
      description: "Addresses of the servers (in a variable: separated by commas).",
    }),
    user: Type.Optional(Type.String({ description: "User name." })),
    password: Type.Optional(Type.String({ description: "Password.", secret: true })),
    monitor: Type.Optional(
      Type.String({
        description: "Monitoring address `http://host:port`, which Carillon needs to check `sync_interval`.",
      }),
    ),
    fsync: Type.Boolean({
      default: true,
      description:
        "Whether NATS must be set to `sync_interval: always`. With `false`, Carillon also accepts a NATS server that fsyncs later; a loss of power may then lose messages that their senders were told are sent.",
    }),
    replicas: Type.Enum([1, 3, 5], {
      default: 1,
      description: "Copies of each stream and bucket: 1 on one machine, 3 on a NATS cluster.",
    }),
    streamMegabytes: count("Maximum size of each queue stream and each log stream, MiB.", 1024, 8),
    tls: Type.Optional(tls("NATS")),
  }),
  redis: section("Redis: inboxes, sessions, cursors, marks.", {
    url: Type.String({
      default: "redis://127.0.0.1:6379",
      description: "Address. `rediss://` encrypts, like `redis.tls.enabled`.",
      secret: true,
    }),
    tls: Type.Optional(tls("Redis")),
  }),
  mysql: section("MySQL 8+ or MariaDB 10.11+: users, relations, the archive of messages.", {
    url: Type.String({
      default: "mysql://carillon@127.0.0.1:3306/carillon",
      description:
        "Address, with user, password and database. `?ssl=verify`, `?ssl=no-verify`, or the driver's options as JSON encrypt, like `mysql.tls.enabled`.",
      secret: true,
    }),
    poolSize: count(
      "Maximum number of connections of one process. A quarter of them is reserved for checks of tokens.",
      10,
      2,
    ),
    tls: Type.Optional(tls("MySQL")),
  }),
  auth: section("Tokens.", {
    secret: Type.Optional(
      Type.String({
        minLength: 32,
        description: "Secret that signs access tokens, at least 32 characters.",
        secret: true,
      }),
    ),
    secrets: Type.Array(tokenSecret, {
      default: [],
      maxItems: 16,
      secret: true,
      description:
        "The same as a list, for rotation: `{kid, secret, since?, until?}` (in a variable: as JSON). `kid` is the name that stands in " +
        "the header of a token; the newest secret whose `since` has come signs; tokens of a secret are void from its `until` on. " +
        "The times are like `2026-11-30T12:00:00Z`. `carillon secrets rotate` writes them into `carillon.json`, which gateways and apis read again.",
    }),
    accessTokenSeconds: seconds("Lifetime of an access token, s.", 900, 5),
    refreshTokenDays: days("Lifetime of a refresh token, days.", 30),
    issuers: Type.Array(issuer, {
      default: [],
      description:
        "Other systems that sign access tokens (in a variable: as JSON): a list of " +
        "`{issuer, publicKeyFile | jwksFile | jwksUrl, algorithms?, audience?, maxTokenSeconds?, operators?}`. `issuer` is the `iss` claim. " +
        "The keys are in a file in PEM, or in a JWKS in a file or at a URL; files are read again when they change, a URL every 10 minutes and " +
        "for a key that is not known. `algorithms` are some of `RS256`, `ES256`, `EdDSA` (default: all; each key has one of them by its kind). " +
        "With `audience`, the `aud` claim must name it. A token that expires later than `maxTokenSeconds` from now (86400) is refused. " +
        "Operators can use tokens of an issuer for operators' routes only with `operators: true`.",
    }),
    oidc: Type.Optional(oidc),
  }),
  policy: section("Rights of users.", {
    strangers: Type.Enum(["allow", "friends-only"], {
      default: "allow",
      description: "Whether users may write to users who are not their friends.",
    }),
    presence: Type.Enum(["friends", "everybody"], {
      default: "friends",
      description: "Who sees whether a user is online: their friends, or everybody whom they do not block.",
    }),
    devices: Type.Enum(["all", "one-per-platform"], {
      default: "all",
      description: "Which devices of a user may be connected at the same time.",
    }),
    maxDevices: count(
      "How many devices of a user may be logged in. One more log-in logs out the device that was idle longest.",
      10,
    ),
  }),
  relations: section("Friends and blocks.", {
    maxFriends: count("Maximum number of friends of one user, including the user's own open requests.", 5_000),
    maxBlocks: count("Maximum number of users that one user may block.", 1_000),
  }),
  groups: section("Groups of users.", {
    maxMembers: Type.Integer({
      minimum: 2,
      // A gateway asks for the members among its users in one message.
      maximum: 20_000,
      default: 10_000,
      description: "Maximum number of members of a group.",
    }),
    writeFanoutMax: count(
      "Up to this number of members, the messages of a group go into the inbox of each member. Members of a larger group fetch them.",
      500,
    ),
    whoMayAdd: Type.Enum(["everybody", "friends", "consent"], {
      default: "everybody",
      description:
        "Who may add a user to a group without asking, if the user has not chosen: everybody who may write to them, their friends, or nobody (`consent`). Others invite.",
    }),
    historyBeforeJoining: Type.Boolean({
      default: false,
      description: "Whether members may also read messages from before they joined.",
    }),
  }),
  recall: section("Recalling messages.", {
    windowSeconds: seconds("How long after sending a message its sender may recall it, s.", 120),
  }),
  retention: section("How long messages are kept.", {
    days: days(
      "Age in days after which messages are deleted, except the newest of each conversation; 0: messages are kept.",
      0,
      0,
    ),
  }),
  audit: section("The audit log: acts of operators, API keys and the admins of groups on others.", {
    days: days("Age in days after which entries are deleted; 0: they are kept.", 365, 0),
  }),
  limits: section("Limits of one client.", {
    framesPerSecond: count("Frames of one connection, per second.", 200),
    framesBurst: count("Frames that one connection may send at once.", 400),
    messagesPerSecond: count("Messages of one user, per second.", 50),
    messagesBurst: count("Messages that one user may send at once.", 200),
    recipientsPerSecond: count(
      "Members of groups who receive the messages and changes of one user, per second.",
      5_000,
    ),
    recipientsBurst: count("Members of groups who receive the messages and changes of one user, at once.", 100_000),
    pullsPerSecond: count("Pages of history (PULL) that one user may request at one gateway, per second.", 20),
    pullsBurst: count("Pages of history (PULL) that one user may request at once.", 200),
    syncsPerSecond: count("Pages of SYNC that one user may request at one gateway, per second.", 2),
    syncsBurst: count("Pages of SYNC that one user may request at once; a page has at most 64 rows.", 100),
    httpReadsPerSecond: count("Read requests of one user over HTTP at one api, per second.", 50),
    httpReadsBurst: count("Read requests of one user over HTTP at once.", 200),
    httpWritesPerSecond: count("Changes that one user makes over HTTP at one api, per second.", 10),
    httpWritesBurst: count("Changes that one user makes over HTTP at once.", 100),
    registrationsPerMinute: count(
      "Registrations from one address, per minute; and as many log-ins by OpenID that are begun.",
      600,
    ),
    failedLoginsPerUser: count(
      "Failed log-ins of one user from one address in 15 minutes. Beyond that one attempt is allowed in 5 s, later one in a minute.",
      10,
    ),
    failedLoginsPerAddress: count(
      "Failed log-ins, unknown keys and refresh tokens from one address (in IPv6: one /64) in 15 minutes. Beyond that one attempt is allowed in 0.5 s, later one in 2 s.",
      100,
    ),
    loginsPerMinute: count("Successful log-ins of one user, per minute.", 30),
    refreshesPerMinute: count("Refreshes of the tokens of one device, per minute.", 30),
  }),
  gateway: section("The gateway process.", {
    host: Type.String({ default: "127.0.0.1", description: "Address to listen on." }),
    advertiseHost: Type.Optional(
      Type.String({
        description:
          "Host name or address that clients are told, without scheme and port. Default: the address to listen on; that must not be `0.0.0.0` then.",
      }),
    ),
    tcpPort: port("Port of the TCP transport (0: any free one).", 7700),
    wsPort: port("Port of the WebSocket transport, of health and metrics (0: any free one).", 7701),
    udpPort: port("Port of the UDP transport (0: any free one); it may be the number of `tcpPort`.", 7700),
    listeners: Type.Array(listener, {
      default: [],
      description:
        "The addresses at which the gateway listens: a list of `{transport, host, port, tls?, proxyProtocol?, advertise?}` " +
        "(in a variable: as JSON). `transport` is `tcp`, `ws` or `udp`; a `ws` listener also answers health checks and metrics. " +
        "`tls` is `{certFile, keyFile, caFile?}`: files in PEM, read again when they change; with `caFile`, clients must show " +
        "certificates of that authority. With `proxyProtocol`, each connection must come from a proxy of `gateway.trustProxy` " +
        "and begin with a header of the PROXY protocol. `advertise` is `{host?, port?, path?, tls?}`: the address that clients " +
        "are told, if it is another one. UDP has neither `tls` (it is always encrypted) nor `proxyProtocol`. Without this " +
        "setting: `host` with `tcpPort`, with `wsPort` and with `udpPort`.",
    }),
    origins: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description:
        "Origins of the pages that may open a WebSocket: `https://app.example.org`, `https://*.example.org`, or `*` for every " +
        "page. Default: pages of the same host, whatever their port, and pages of this machine if the gateway is on it. " +
        "Clients that are no browsers send no origin, and are not concerned.",
    }),
    weight,
    heartbeatSeconds: seconds("Time without sending after which a client sends PING, s.", 30),
    silenceSeconds: seconds("Time without a frame of the client after which the gateway closes a connection, s.", 75),
    renewalPerSecond: count(
      "Users whose sessions the gateway registers again after Redis has lost its data, per second.",
      200,
    ),
    tokenGraceSeconds: seconds("Time by which a connection outlives its access token, s.", 60, 0),
    loginSeconds: seconds("Time that a client has from opening the connection to CONNECT, s.", 5),
    sendQueueBytes: count(
      "Bytes that may wait for one client that reads slowly; beyond that the gateway closes the connection.",
      1_048_576,
      65_536,
    ),
    maxConnections: count(
      "Maximum number of connections of one gateway; the process's limit of open files may lower it.",
      50_000,
    ),
    maxConnectionsPerAddress: count(
      "Maximum number of connections from one address (in IPv6: one /64) at one gateway. Addresses of the same machine do not count.",
      1_000,
    ),
    trustProxy: proxies("over WebSocket; their connections do not count by their own address"),
    rebalancePerSecond: count("Clients per second that a gateway sends to another gateway when the ring changes.", 500),
    drainSeconds: seconds("Time from GOAWAY until a draining gateway closes its connections, s.", 5),
  }),
  worker: section("The worker: numbers messages, logs them, fans them out.", {
    host: Type.String({ default: "127.0.0.1", description: "Address to listen on for health and metrics." }),
    httpPort: port("Port of health and metrics (0: any free one).", 7720),
    weight,
    replayWindowSeconds: seconds("Age below which records stay in the log, even if they are archived, s.", 600, 60),
  }),
  archiver: section("The archiver.", {
    host: Type.String({ default: "127.0.0.1", description: "Address to listen on for health and metrics." }),
    httpPort: port("Port of health and metrics (0: any free one).", 7730),
    weight,
  }),
  api: section("The HTTP API.", {
    host: Type.String({ default: "127.0.0.1", description: "Address to listen on." }),
    port: port("Port (0: any free one).", 7710),
    tls: Type.Optional(
      Type.Object(
        {
          certFile: Type.String({ description: "PEM file of the certificate; read again when it changes." }),
          keyFile: Type.String({ description: "PEM file of its key." }),
        },
        { additionalProperties: false, description: "Certificate of the api: with it the api speaks HTTPS." },
      ),
    ),
    maxConnections: count("Maximum number of connections of one api.", 10_000),
    spreadLeadersSeconds: seconds(
      "When all servers of a NATS cluster have been healthy for this time, s, one api lets servers that lead too many streams hand some over (0: never).",
      60,
      0,
    ),
    trustProxy: proxies("over HTTP"),
  }),
});

export type Settings = Static<typeof settingsSchema>;
