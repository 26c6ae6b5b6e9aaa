/**
 * Every setting of every process, with its meaning and default. One file `carillon.json` serves the whole
 * cluster, so that two processes cannot disagree; each may be set by a variable CARILLON_<PATH> as well
 * (`gateway.tcpPort` is CARILLON_GATEWAY_TCP_PORT). docs/configuration.md is made from this page.
 */
import { type Static, type TObject, type TProperties, Type } from "typebox";

/** A section: unknown keys are refused, because a misspelt key that is ignored is a fault found too late. */
function section<T extends TProperties>(description: string, properties: T): TObject<T> {
  return Type.Object(properties, { additionalProperties: false, default: {}, description });
}

const port = (description: string, fallback: number) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: fallback, description });

const count = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ minimum, maximum: 2 ** 50, default: fallback, description });

/** A timer of Node.js counts 2^31 ms at most, and one that is set to more is over at once. */
const MOST_SECONDS = 2_000_000;

const seconds = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ minimum, maximum: MOST_SECONDS, default: fallback, description });

const MOST_DAYS = 36_500;

const days = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ minimum, maximum: MOST_DAYS, default: fallback, description });

const proxies = (where: string) =>
  Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    description: `Proxies whose X-Forwarded-For is believed ${where}: addresses, networks like \`10.0.0.0/8\`, or \`loopback\`. It cannot be \`true\`: a client could then name any address as its own.`,
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
      Type.String({ description: "PEM file of who signs the server's certificate. Default: who Node.js trusts." }),
    ),
    certFile: Type.Optional(Type.String({ description: "PEM file of this client's own certificate." })),
    keyFile: Type.Optional(Type.String({ description: "PEM file of the key to it." })),
    verify: Type.Boolean({
      default: true,
      description:
        "Whether the server's certificate must be good. Without it anybody on the way can pose as the server.",
    }),
  });

export const settingsSchema = section("", {
  mode: Type.Enum(["development", "production"], {
    default: "development",
    description: "`production` refuses to start without secrets of its own.",
  }),
  nodeId: Type.Optional(
    Type.String({
      pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
      description: "Name of this node, unique in its role. Default: the role and the host's name.",
    }),
  ),
  registration: Type.Enum(["open", "closed"], {
    default: "open",
    description: "Whether anybody may make an account for themselves; else operators and API keys make them.",
  }),
  log: section("Logging.", {
    level: Type.Enum(["trace", "debug", "info", "warn", "error", "fatal"], {
      default: "info",
      description: "Least level that is written.",
    }),
  }),
  metrics: section("What Prometheus reads.", {
    token: Type.Optional(
      Type.String({
        minLength: 16,
        maxLength: 1_024,
        pattern: "^[!-~]+$",
        description:
          "What who reads `/metrics` of any process has to show, as `Authorization: Bearer ...`; at least 16 characters. Without it whoever reaches the port may read them.",
        secret: true,
      }),
    ),
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
      Type.String({ description: "Monitoring address `http://host:port`; with it `sync_interval` can be checked." }),
    ),
    fsync: Type.Boolean({
      default: true,
      description:
        "Whether NATS has to be set to `sync_interval: always`. Without it a message may be lost by a loss of power after its sender was told that it was sent.",
    }),
    replicas: Type.Enum([1, 3, 5], {
      default: 1,
      description: "Copies of each stream and bucket: 1 on one machine, 3 on a cluster.",
    }),
    streamMegabytes: count("Most size of each queue stream and each log stream, MiB.", 1024, 8),
    tls: Type.Optional(tls("NATS")),
  }),
  redis: section("Redis: inboxes, sessions, cursors, marks.", {
    url: Type.String({
      default: "redis://127.0.0.1:6379",
      description: "Address; `rediss://` encrypts, as `redis.tls.enabled` does.",
      secret: true,
    }),
    tls: Type.Optional(tls("Redis")),
  }),
  mysql: section("MySQL 8+ or MariaDB 10.11+: users, relations, the archive of messages.", {
    url: Type.String({
      default: "mysql://carillon@127.0.0.1:3306/carillon",
      description:
        "Address, with user, password and database. `?ssl=verify`, `?ssl=no-verify`, or the driver's options as JSON encrypt, as `mysql.tls.enabled` does.",
      secret: true,
    }),
    poolSize: count("Most connections of one process. A quarter of them is kept for the checks of tokens.", 10, 2),
    tls: Type.Optional(tls("MySQL")),
  }),
  auth: section("Tokens.", {
    secret: Type.Optional(
      Type.String({
        minLength: 32,
        description: "Key that signs access tokens, at least 32 characters.",
        secret: true,
      }),
    ),
    accessTokenSeconds: seconds("Life of an access token, s.", 900, 5),
    refreshTokenDays: days("Life of a refresh token, days.", 30),
    issuers: Type.Array(
      Type.Object(
        {
          issuer: Type.String({ minLength: 1 }),
          publicKeyFile: Type.String({ minLength: 1 }),
          maxTokenSeconds: Type.Optional(Type.Integer({ minimum: 5, maximum: MOST_SECONDS })),
          operators: Type.Optional(Type.Boolean()),
        },
        { additionalProperties: false },
      ),
      {
        default: [],
        description:
          "Who else signs access tokens: a list of `{issuer, publicKeyFile, maxTokenSeconds?, operators?}`, the `iss` claim and a file with the key in PEM " +
          "(in a variable: as JSON). A token that ends later than `maxTokenSeconds` from now (86400) is refused; by one of `operators: true` an operator may do what operators may.",
      },
    ),
  }),
  policy: section("Who may do what.", {
    strangers: Type.Enum(["allow", "friends-only"], {
      default: "allow",
      description: "Whether users may write to users who are not their friends.",
    }),
    presence: Type.Enum(["friends", "everybody"], {
      default: "friends",
      description: "Who sees whether a user is online: his friends, or everybody whom he does not block.",
    }),
    devices: Type.Enum(["all", "one-per-platform"], {
      default: "all",
      description: "Which devices of a user may be connected at once.",
    }),
    maxDevices: count(
      "Devices of a user that may be logged in; for one more, the one that was idle longest is logged out.",
      10,
    ),
  }),
  relations: section("Friends and blocks.", {
    maxFriends: count("Most friends of one user, with the requests of his that are under way.", 5_000),
    maxBlocks: count("Most users that one user blocks.", 1_000),
  }),
  groups: section("Groups of users.", {
    maxMembers: Type.Integer({
      minimum: 2,
      // A gateway asks for the members among its users in one message.
      maximum: 20_000,
      default: 10_000,
      description: "Members that a group may have.",
    }),
    writeFanoutMax: count(
      "Up to so many members a group's messages are put into everybody's inbox; in a larger one they are fetched.",
      500,
    ),
    whoMayAdd: Type.Enum(["everybody", "friends", "consent"], {
      default: "everybody",
      description:
        "Who brings a user into a group without asking, as long as the user has not chosen: everybody who may write to them, their friends, or nobody; others invite.",
    }),
    historyBeforeJoining: Type.Boolean({
      default: false,
      description: "Whether members may also read what was said before they joined.",
    }),
  }),
  recall: section("Taking messages back.", {
    windowSeconds: seconds("How long after it was sent a message may be taken back by its sender.", 120),
  }),
  retention: section("How long messages are kept.", {
    days: days("Messages older than this are deleted, all but the newest of a conversation; 0: they are kept.", 0, 0),
  }),
  limits: section("What one client may do.", {
    framesPerSecond: count("Frames of one connection, per second.", 200),
    framesBurst: count("Frames that one connection may send at once.", 400),
    messagesPerSecond: count("Messages of one user, per second.", 50),
    messagesBurst: count("Messages that one user may send at once.", 200),
    recipientsPerSecond: count("Members whom the messages and changes of one user in groups reach, per second.", 5_000),
    recipientsBurst: count("Members whom the messages and changes of one user in groups reach at once.", 100_000),
    pullsPerSecond: count("Pages of history (PULL) that one user may ask for at one gateway, per second.", 20),
    pullsBurst: count("Pages of history that one user may ask for at once.", 200),
    syncsPerSecond: count("Pages of SYNC that one user may ask for at one gateway, per second.", 2),
    syncsBurst: count("Pages of SYNC that one user may ask for at once; one page has 64 rows.", 100),
    httpReadsPerSecond: count("Lists and other reading of one user over HTTP at one api, per second.", 50),
    httpReadsBurst: count("Lists and other reading of one user over HTTP at once.", 200),
    httpWritesPerSecond: count("Changes that one user makes over HTTP at one api, per second.", 10),
    httpWritesBurst: count("Changes that one user makes over HTTP at once.", 100),
    registrationsPerMinute: count("Registrations from one address, per minute.", 600),
    failedLoginsPerUser: count(
      "Failed log-ins of one user from one address in 15 minutes; more are slowed, to one in 5 s, later in a minute.",
      10,
    ),
    failedLoginsPerAddress: count(
      "Failed log-ins, unknown keys and refresh tokens from one address (of IPv6: one /64) in 15 minutes; more are slowed, to one in 2 s.",
      100,
    ),
    loginsPerMinute: count("Log-ins of one user that succeed, per minute.", 30),
    refreshesPerMinute: count("Refreshes of the tokens of one device, per minute.", 30),
  }),
  gateway: section("The gateway process.", {
    host: Type.String({ default: "127.0.0.1", description: "Address to listen on." }),
    advertiseHost: Type.Optional(
      Type.String({
        description:
          "Host name or address that clients are told, without scheme and port. Default: the address to listen on, which must not be every address (`0.0.0.0`) then.",
      }),
    ),
    tcpPort: port("Port of the TCP transport (0: any free one).", 7700),
    wsPort: port("Port of the WebSocket transport, of health and metrics (0: any free one).", 7701),
    weight,
    heartbeatSeconds: seconds("Silence after which a client sends PING, s.", 30),
    silenceSeconds: seconds("Silence after which a connection is closed, s.", 75),
    renewalPerSecond: count("Users whose sessions are registered again after a loss of Redis, per second.", 200),
    tokenGraceSeconds: seconds("Time that a connection outlives its access token, s.", 60, 0),
    loginSeconds: seconds("Time from accept to CONNECT, s.", 5),
    sendQueueBytes: count("Bytes that may wait for one slow reader.", 1_048_576, 65_536),
    maxConnections: count(
      "Connections that one gateway holds; never more than its limit of open files leaves.",
      50_000,
    ),
    maxConnectionsPerAddress: count(
      "Connections from one address (of IPv6: one /64) that one gateway holds. Addresses of the same machine are not counted.",
      1_000,
    ),
    trustProxy: proxies("over WebSocket; connections from them are not counted by their own address"),
    rebalancePerSecond: count("Clients per second that are sent to another gateway when the ring changes.", 500),
    drainSeconds: seconds("Time in which a draining gateway says good-bye to its clients, s.", 5),
  }),
  worker: section("The worker: numbers messages, logs them, fans them out.", {
    host: Type.String({ default: "127.0.0.1", description: "Address to listen on for health and metrics." }),
    httpPort: port("Port of health and metrics (0: any free one).", 7720),
    weight,
    replayWindowSeconds: seconds("Age below which records stay in the log, s.", 600, 60),
  }),
  archiver: section("The archiver.", {
    host: Type.String({ default: "127.0.0.1", description: "Address to listen on for health and metrics." }),
    httpPort: port("Port of health and metrics (0: any free one).", 7730),
    weight,
  }),
  api: section("The HTTP API.", {
    host: Type.String({ default: "127.0.0.1", description: "Address to listen on." }),
    port: port("Port (0: any free one).", 7710),
    maxConnections: count("Connections that one api holds.", 10_000),
    spreadLeadersSeconds: seconds(
      "When all servers of a NATS cluster have been well for so long, one api has those that lead too many streams hand some over (0: never).",
      60,
      0,
    ),
    trustProxy: proxies("over HTTP"),
  }),
});

export type Settings = Static<typeof settingsSchema>;
