/** An api's parts, built and wired; main.ts gives it the connections to the world. */
import { Admission, Budgets, partitionOf, withDeadline } from "@carillon/base";
import { createTokenSigner } from "@carillon/base/node";
import {
  apiSender,
  ask,
  type Bus,
  ChangeTeller,
  DownlinkSender,
  type LastSeq,
  type OwnerQuestion,
  type PresenceFound,
  type PresenceRead,
  type PresentNodes,
  type ReadableSpans,
  subjects,
} from "@carillon/bus";
import type { Coordination, Lease } from "@carillon/coordination";
import { tellGroupOwner } from "@carillon/operations";
import { CarillonError, CloseCode, parseConversationId } from "@carillon/protocol";
import {
  Cursors,
  Inboxes,
  Marks,
  type MysqlStore,
  RecentEvents,
  type RedisStore,
  type SessionEntry,
  Sessions,
} from "@carillon/store";
import type { FastifyInstance } from "fastify";
import { Authenticator } from "./auth/authenticate";
import { LoginLimits } from "./auth/brake";
import { Passwords } from "./auth/passwords";
import type { ApiConfig } from "./config";
import { HttpAdmission } from "./http/admission";
import { BROADCAST_EVERY_MS, carryOnBroadcasts } from "./jobs/broadcasts";
import { FILE_USERS_EVERY_MS, FILE_USERS_FIRST_MS, fileUsers } from "./jobs/file-users";
import { HOUSEKEEPING_EVERY_MS, HOUSEKEEPING_FIRST_MS, keepHouse } from "./jobs/housekeeping";
import { leaderSpreader, SPREAD_EVERY_MS } from "./jobs/leader-spread";
import { LeaseJob } from "./jobs/lease-job";
import { RELAY_EVERY_MS, relayGroups } from "./jobs/relay";
import { deleteExpired, RETENTION_EVERY_MS, RETENTION_FIRST_MS } from "./jobs/retention";
import { ArchiveBarrier, readFirstMissing, readLogEnds } from "./reading/archive-barrier";
import { QueryService } from "./reading/query-service";
import { SharedQuestions } from "./reading/shared-questions";
import { type ApiContext, buildServer } from "./server";
import type { GatewayRing } from "./subjects/conversations/gateways";
import { MessageSender } from "./subjects/conversations/message-sender";
import { depart } from "./subjects/groups/departure";
import { CalmNotices } from "./subjects/groups/requests";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** How often a user comes into the same group, or asks the same one for friendship: some times, then once in 10 minutes. */
const CHURN = { perSecond: 1 / 600, burst: 8 };
/** Log-ins and refreshes at once: few, since each of them locks rows; two of one user. */
const SIGN_INS = { atOnce: 16, waiting: 64, perKey: { atOnce: 2, waiting: 16 }, patienceMs: 5_000 };
/** Most time for Redis to say which devices are connected. */
const CONNECTED_MS = 300;
/** Most time for NATS to say that it has what was put into the queues. */
const STOP_MS = 2_000;

/** What lists and histories are made from. */
type ReadingContext = Pick<ApiContext, "marks" | "barrier" | "spans" | "recent" | "showsBefore"> &
  Pick<MysqlStore, "conversations" | "memberships" | "views"> & { inboxes: Inboxes };

export interface ApiOptions {
  config: ApiConfig;
  bus: Bus;
  boot: string;
  partitions: number;
  redis: RedisStore;
  mysql: MysqlStore;
  ring: GatewayRing;
  coordination: Pick<Coordination, "view" | "partitions">;
  /** A lease of that name, by which one of all apis does a job. */
  lease(name: string): Pick<Lease, "acquire">;
}

export class Api {
  private readonly downlink: DownlinkSender;
  private readonly changes: ChangeTeller;
  private readonly messages: MessageSender;
  private readonly queries: QueryService;
  private readonly broadcasts: LeaseJob;
  private readonly jobs: LeaseJob[];
  private readonly loginLimits: LoginLimits;
  private readonly context: ApiContext;
  private server: FastifyInstance | undefined;

  constructor(private readonly options: ApiOptions) {
    const { bus, boot, config, partitions } = options;
    this.downlink = new DownlinkSender(bus, apiSender(config.nodeId));
    this.changes = new ChangeTeller(bus, this.downlink);
    this.messages = new MessageSender({ bus, nodeId: config.nodeId, boot, partitions });
    this.loginLimits = new LoginLimits({ limits: config.limits, monotonic: () => bus.clock.monotonic() });
    const reading = this.readingContext();
    this.context = this.buildContext(reading);
    const { sync } = options.mysql;
    const monotonic = () => bus.clock.monotonic();
    const shared = new SharedQuestions({ ...reading, sync, monotonic });
    this.queries = new QueryService(bus, { ...this.context, ...reading, shared });
    this.broadcasts = new LeaseJob({
      lease: options.lease("broadcasts"),
      everyMs: BROADCAST_EVERY_MS,
      work: (signal) => carryOnBroadcasts(this.context, signal),
      onFailure: (err) => bus.logger.debug({ err }, "broadcasts go on later"),
    });
    this.jobs = [
      this.broadcasts,
      this.relayJob(),
      this.housekeepingJob(),
      this.fileUsersJob(),
      ...this.retentionJobs(),
      ...this.leaderJobs(),
    ];
  }

  /** Takes over which nodes there are. */
  setNodes(nodes: PresentNodes): void {
    this.changes.setNodes(nodes);
  }

  /** Forgets the failed log-ins of a user. */
  unlock(userId: string): void {
    this.loginLimits.unlock(userId);
  }

  /** @returns the address of the HTTP server, `http://host:port` */
  async start(): Promise<string> {
    const { config, bus } = this.options;
    const { host, port, trustProxy, maxConnections } = config.api;
    this.server = await buildServer(this.context, { logger: bus.logger, trustProxy, maxConnections });
    this.downlink.start();
    this.messages.start();
    this.queries.start();
    for (const job of this.jobs) job.start();
    return this.server.listen({ host, port });
  }

  /** Finishes the requests under way. */
  async stop(): Promise<void> {
    this.queries.stop();
    await Promise.all(this.jobs.map((job) => job.stop()));
    await this.server?.close();
    await this.messages.stop(STOP_MS);
    this.downlink.stop();
  }

  private relayJob(): LeaseJob {
    const { lease, bus } = this.options;
    return new LeaseJob({
      lease: lease("group-relay"),
      everyMs: RELAY_EVERY_MS,
      work: (signal) => relayGroups(this.context, signal),
      onFailure: (err) => bus.logger.debug({ err }, "changes of groups are told later"),
    });
  }

  private housekeepingJob(): LeaseJob {
    const { lease, bus, mysql, redis } = this.options;
    const { logger } = bus;
    const parts = {
      devices: mysql.oldDevices,
      cursors: new Cursors(redis),
      invitations: mysql.invitations,
      requests: mysql.groupRequests,
    };
    return new LeaseJob({
      lease: lease("housekeeping"),
      firstMs: HOUSEKEEPING_FIRST_MS,
      everyMs: HOUSEKEEPING_EVERY_MS,
      work: (signal) => keepHouse({ ...parts, now: () => bus.clock.now(), logger }, signal),
      onFailure: (err) => logger.debug({ err }, "what is old is deleted later"),
    });
  }

  private fileUsersJob(): LeaseJob {
    const { lease, bus, mysql } = this.options;
    return new LeaseJob({
      lease: lease("user-names"),
      firstMs: FILE_USERS_FIRST_MS,
      everyMs: FILE_USERS_EVERY_MS,
      work: (signal) => fileUsers(mysql, signal),
      onFailure: (err) => bus.logger.debug({ err }, "new users are found later"),
    });
  }

  /** None where messages are kept for ever. */
  private retentionJobs(): LeaseJob[] {
    const { lease, bus, config, mysql } = this.options;
    const { logger } = bus;
    const keepMs = config.retention.days * DAY_MS;
    const context = { queries: mysql.retention, keepMs, now: () => bus.clock.now(), logger };
    const job = new LeaseJob({
      lease: lease("retention"),
      firstMs: RETENTION_FIRST_MS,
      everyMs: RETENTION_EVERY_MS,
      work: (signal) => deleteExpired(context, signal),
      onFailure: (err) => logger.warn({ err }, "old messages are deleted later"),
    });
    return keepMs > 0 ? [job] : [];
  }

  /** None where one NATS server leads all, since there is no other. */
  private leaderJobs(): LeaseJob[] {
    const { lease, bus, config, partitions } = this.options;
    const calmMs = config.api.spreadLeadersSeconds * 1_000;
    const job = new LeaseJob({
      lease: lease("nats-leaders"),
      everyMs: SPREAD_EVERY_MS,
      work: leaderSpreader({ bus, partitions, calmMs }),
      onFailure: (err) => bus.logger.debug({ err }, "who leads in the NATS cluster is looked at later"),
    });
    return config.nats.replicas > 1 && calmMs > 0 ? [job] : [];
  }

  private buildContext(reading: ReadingContext): ApiContext {
    const { config, bus, partitions, redis, mysql, ring, coordination } = this.options;
    const { limits, secret, accessTokenSeconds, refreshTokenMs, nodeId } = config;
    const { accounts } = mysql;
    const monotonic = () => bus.clock.monotonic();
    return {
      ...reading,
      nodeId,
      metricsToken: config.metrics.token,
      ring,
      accounts,
      credentials: mysql.credentials,
      groups: mysql.groups,
      keys: mysql.keys,
      broadcasts: mysql.broadcasts,
      wakeBroadcasts: () => this.broadcasts.wake(),
      parts: { bus, coordination, redis: async () => redis, mysql: async () => mysql },
      invitations: mysql.invitations,
      requests: mysql.groupRequests,
      defaults: {
        whoMayAdd: config.groups.whoMayAdd,
        whoMayWrite: config.policy.strangers === "allow" ? "everybody" : "friends",
      },
      bringingPolicy: { strangers: config.policy.strangers, whoMayAdd: config.groups.whoMayAdd },
      recipients: new Budgets({ perSecond: limits.recipientsPerSecond, burst: limits.recipientsBurst, monotonic }),
      comings: new Budgets({ ...CHURN, monotonic }),
      calmNotices: new CalmNotices(),
      requestsOfPairs: new Budgets({ ...CHURN, monotonic }),
      groupLimits: { members: config.groups.maxMembers, writeFanOut: config.groups.writeFanoutMax },
      findPresence: (question) => ask<PresenceRead, PresenceFound>(bus, subjects.presence, question),
      isThere: (gateway, ofBoot) => coordination.view.get("gateway", gateway)?.boot === ofBoot,
      wholeOf: (conversationId) => this.wholeOf(conversationId),
      tellOwner: (groupId) => tellGroupOwner(bus, partitions, groupId),
      secret,
      accessTokenSeconds,
      refreshTokenMs,
      authenticator: new Authenticator(config, mysql.credentials, mysql.keys, this.loginLimits, () => bus.clock.now()),
      admission: new HttpAdmission({ limits, monotonic }),
      ...this.loginContext(),
      signAccess: createTokenSigner(secret, accessTokenSeconds),
      changes: this.changes,
      messages: this.messages,
      isRegistrationOpen: config.registration === "open",
      mostDevices: config.policy.maxDevices,
      logger: bus.logger,
      relations: mysql.relations,
      people: mysql.users,
      names: mysql.names,
      relationLimits: { friends: config.relations.maxFriends, blocks: config.relations.maxBlocks },
      closeConnections: (userId, deviceId) =>
        this.changes.close(userId, { deviceId, closeCode: CloseCode.TOKEN_REVOKED }),
      depart: (userId) => {
        depart(this.context, userId).catch((err: Error) =>
          bus.logger.info({ err }, "what refers to a user ends later"),
        );
      },
      now: () => bus.clock.now(),
      checks: {
        nats: () => bus.connection.flush(),
        mysql: () => mysql.ping(),
        redis: async () => void (await redis.info()),
      },
    };
  }

  /** What bounds log-ins, registrations and passwords. */
  private loginContext() {
    const { config, bus, redis, coordination } = this.options;
    const monotonic = () => bus.clock.monotonic();
    const { registrationsPerMinute } = config.limits;
    const sessions = new Sessions(redis);
    const isThere = ({ gateway, boot }: SessionEntry) => coordination.view.get("gateway", gateway)?.boot === boot;
    return {
      loginLimits: this.loginLimits,
      passwords: new Passwords(monotonic),
      registrations: new Budgets({
        perSecond: (registrationsPerMinute * 1_000) / MINUTE_MS,
        burst: registrationsPerMinute,
        monotonic,
      }),
      signIns: new Admission({ ...SIGN_INS, monotonic }),
      connectedDevices: async (userId: string) => {
        // Without Redis nobody knows; a log-in does not wait for it.
        const devices = await withDeadline(sessions.of(userId), CONNECTED_MS, "Redis").catch(() => []);
        return devices.filter(isThere).map(({ deviceId }) => deviceId);
      },
    };
  }

  /** All that a conversation has, for those who may read any. */
  private async wholeOf(conversationId: string): Promise<ReadableSpans> {
    const { lastSeq } = await this.askOwner<LastSeq>(conversationId, { ask: "last-seq", conversationId });
    return { spans: [[1, lastSeq]], lastSeq };
  }

  private readingContext(): ReadingContext {
    const { bus, config, mysql, redis, partitions } = this.options;
    return {
      conversations: mysql.conversations,
      memberships: mysql.memberships,
      views: mysql.views,
      showsBefore: config.groups.historyBeforeJoining,
      marks: new Marks(redis),
      inboxes: new Inboxes(redis),
      recent: new RecentEvents(redis),
      barrier: new ArchiveBarrier({
        logEnds: () => readLogEnds(bus, partitions),
        archivePositions: () => mysql.facts.archivePositions(),
        firstMissingAt: (partition, archived) => readFirstMissing(bus, partition, archived),
      }),
      spans: (userId, conversationId) => this.spans(userId, conversationId),
    };
  }

  /** What a user may read of a conversation, by its owner. */
  private async spans(userId: string, conversationId: string): Promise<ReadableSpans> {
    const parts = parseConversationId(conversationId);
    if (parts?.kind === "group") {
      return this.askOwner(conversationId, { ask: "group-spans", groupId: parts.groupId, userId });
    }
    if (parts?.userIds.includes(userId) !== true) throw new CarillonError("NO_SUCH_CONVERSATION");
    return this.wholeOf(conversationId);
  }

  private askOwner<A>(conversationId: string, question: OwnerQuestion): Promise<A> {
    const { bus, partitions } = this.options;
    return ask<OwnerQuestion, A>(bus, subjects.owner(partitionOf(conversationId, partitions)), question);
  }
}
