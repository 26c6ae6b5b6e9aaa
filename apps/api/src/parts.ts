/**
 * The things with which the routes and the jobs of an api work; each exists once per process. A function gets all of them as
 * `api` and takes what it needs, so that nothing is handed on under another name.
 */
import { Admission, Budgets } from "@carillon/base";
import { Issuers, TokenSigner, TokenVerifier } from "@carillon/base/node";
import { type Bus, ChangeNotifier, type DownlinkSender } from "@carillon/bus";
import type { Coordination } from "@carillon/coordination";
import { type ClusterParts, ConversationOwners } from "@carillon/operations";
import { Cursors, Inboxes, Marks, type MysqlStore, RecentEvents, type RedisStore, Sessions } from "@carillon/store";
import { Authenticator } from "./auth/authenticate";
import { LoginLimits } from "./auth/brake";
import { OidcLogIns } from "./auth/oidc/log-ins";
import { OidcUsers } from "./auth/oidc/users";
import { Passwords } from "./auth/passwords";
import { CalmNotices } from "./cluster/calm-notices";
import { MessageSender } from "./cluster/message-sender";
import { Presence } from "./cluster/presence";
import type { ApiConfig } from "./config";
import { HttpAdmission } from "./http/admission";
import { ArchiveBarrier, readFirstMissing, readLogEnds } from "./reading/archive-barrier";
import { SharedQuestions } from "./reading/shared-questions";

const MINUTE_MS = 60_000;
/** Limit for one user who enters the same group, or asks the same user for friendship, again and again: 8, then one in 10 minutes. */
const CHURN = { perSecond: 1 / 600, burst: 8 };
/** Log-ins and refreshes at once: few, since each of them locks rows; two of one user. */
const SIGN_INS = { atOnce: 16, waiting: 64, perKey: { atOnce: 2, waiting: 16 }, patienceMs: 5_000 };

/** The connections of the process, which main.ts opens. */
export interface Connections {
  config: ApiConfig;
  bus: Bus;
  boot: string;
  partitions: number;
  redis: RedisStore;
  mysql: MysqlStore;
  coordination: Pick<Coordination, "view" | "partitions" | "ringOf" | "lease">;
  downlink: DownlinkSender;
}

export type ApiParts = ReturnType<typeof makeParts>;

export function makeParts(connections: Connections) {
  const { config, bus, boot, partitions, redis, mysql, coordination, downlink } = connections;
  const { groups, relations } = config;
  const stores = openStores(mysql, redis);
  const monotonic = () => bus.clock.monotonic();
  const cluster: ClusterParts = { bus, coordination, redis: async () => redis, mysql: async () => mysql };
  return {
    config,
    bus,
    clock: bus.clock,
    logger: bus.logger,
    redis,
    mysql,
    coordination,
    /** The same connections, for the functions that the command line calls, too. */
    cluster,
    ...stores,
    ...makeGuards(config, bus, mysql),
    oidc: openOidc(connections),
    owners: new ConversationOwners(bus, partitions),
    changes: new ChangeNotifier(bus, downlink),
    messages: new MessageSender({ bus, nodeId: config.nodeId, boot, partitions }),
    presence: new Presence(bus, coordination.view, new Sessions(redis)),
    calmNotices: new CalmNotices(),
    barrier: new ArchiveBarrier({
      logEnds: () => readLogEnds(bus, partitions),
      archivePositions: () => mysql.facts.archivePositions(),
      firstMissingAt: (partition, archived) => readFirstMissing(bus, partition, archived),
    }),
    /** Questions of many SYNCs, asked together. */
    shared: new SharedQuestions({ ...stores, sync: mysql.sync, monotonic }),
    /** Maximum number of members, and the largest number with which a group is small. */
    groupLimits: { members: groups.maxMembers, writeFanOut: groups.writeFanoutMax },
    relationLimits: { friends: relations.maxFriends, blocks: relations.maxBlocks },
  };
}

/** The rows of MySQL and the keys of Redis, by subject. */
function openStores(mysql: MysqlStore, redis: RedisStore) {
  return {
    accounts: mysql.accounts,
    auditLog: mysql.auditLog,
    broadcasts: mysql.broadcasts,
    conversations: mysql.conversations,
    credentials: mysql.credentials,
    groups: mysql.groups,
    invitations: mysql.invitations,
    keys: mysql.keys,
    memberships: mysql.memberships,
    names: mysql.names,
    oldDevices: mysql.oldDevices,
    people: mysql.users,
    relations: mysql.relations,
    requests: mysql.groupRequests,
    retention: mysql.retention,
    views: mysql.views,
    cursors: new Cursors(redis),
    inboxes: new Inboxes(redis),
    marks: new Marks(redis),
    recent: new RecentEvents(redis),
  };
}

/** @returns undefined when people log in by password only */
function openOidc({ config: { oidc }, redis, mysql, bus }: Connections): OidcLogIns | undefined {
  return oidc && new OidcLogIns(oidc, redis, new OidcUsers(oidc, mysql, bus), bus);
}

/** The checks of callers, and the limits of what they may cost. */
function makeGuards(config: ApiConfig, { clock, logger }: Bus, mysql: MysqlStore) {
  const { limits, secrets } = config;
  const monotonic = () => clock.monotonic();
  const perMinute = (most: number) => new Budgets({ perSecond: (most * 1_000) / MINUTE_MS, burst: most, monotonic });
  const loginLimits = new LoginLimits({ limits, monotonic });
  const issuers = new Issuers(config.issuers, logger);
  const tokens = new TokenVerifier(secrets, issuers);
  return {
    issuers,
    authenticator: new Authenticator(tokens, mysql.credentials, mysql.keys, loginLimits, () => clock.now()),
    loginLimits,
    passwords: new Passwords(monotonic),
    accessTokens: new TokenSigner(secrets, config.accessTokenSeconds),
    admission: new HttpAdmission({ limits, monotonic }),
    /** Bounds log-ins and refreshes: each locks rows that the caller chooses. */
    signIns: new Admission({ ...SIGN_INS, monotonic }),
    /** Registrations per address. */
    registrations: perMinute(limits.registrationsPerMinute),
    /** Log-ins at the OpenID provider that are begun, per address: Redis remembers each for a while. */
    oidcBudgets: perMinute(limits.registrationsPerMinute),
    /** Members who are told of the group changes of each user. */
    recipients: new Budgets({ perSecond: limits.recipientsPerSecond, burst: limits.recipientsBurst, monotonic }),
    /** Entries of each user into each group. */
    comings: new Budgets({ ...CHURN, monotonic }),
    /** Friend requests of each user to each other user. */
    requestsOfPairs: new Budgets({ ...CHURN, monotonic }),
  };
}
