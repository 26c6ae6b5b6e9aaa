/** A worker's parts, built and wired; main.ts gives it the connections to the world. */
import { Budgets, guarded, ROLES } from "@carillon/base";
import { traceOf } from "@carillon/base/node";
import { apiLink, type Bus, type Closing, DownlinkSender, type People } from "@carillon/bus";
import type { Coordination } from "@carillon/coordination";
import {
  type DeviceSession,
  Inboxes,
  Marks,
  type MysqlStore,
  RecentEvents,
  type RedisStore,
  Sessions,
} from "@carillon/store";
import type { WorkerConfig } from "./config";
import type { Verdict } from "./decide/decision";
import { GroupCasts } from "./fan-out/large-groups";
import { FactCache } from "./lookups/fact-cache";
import { WorkerMetrics } from "./metrics";
import { newOwnership } from "./partition/own-partitions";
import type { Ownership } from "./partition/ownership";
import type { Placement, WorkerPorts } from "./ports";
import { LastSeen } from "./presence/last-seen";
import { PresenceService } from "./presence/presence-service";
import { Blocks } from "./receipts/blocks";
import { ReceiptService } from "./receipts/receipt-service";
import { SessionService, shareCredentials } from "./sessions/session-service";

const RUN_EVERY_MS = 2_000;
const DAY_MS = 86_400_000;

export interface WorkerOptions {
  config: WorkerConfig;
  bus: Bus;
  boot: string;
  partitions: number;
  coordination: Coordination;
  redis: RedisStore;
  mysql: MysqlStore;
}

export class Worker {
  readonly ownership: Ownership;
  readonly metrics: WorkerMetrics;
  private readonly downlink: DownlinkSender;
  private readonly sessions: SessionService;
  private readonly receipts: ReceiptService;
  private readonly presence: PresenceService;
  private readonly lastSeen: LastSeen;
  /** Budgets of users for the recipients of their messages in groups. */
  private readonly recipients: Budgets;
  private readonly inboxes: Inboxes;
  private readonly facts: FactCache;
  private readonly casts: GroupCasts;
  private readonly blocks: Blocks;
  /** Life of Redis, as far as known. */
  private redisLife = "";
  private runTimer: NodeJS.Timeout | undefined;
  private stopWatching: () => void = () => {};

  constructor(private readonly options: WorkerOptions) {
    const { bus, config, redis, mysql, partitions } = options;
    const sessions = new Sessions(redis);
    this.inboxes = new Inboxes(redis);
    this.facts = new FactCache(mysql.facts, bus.logger, () => bus.clock.monotonic());
    this.casts = new GroupCasts(bus);
    const newTick = () => ({ redisLife: this.redisLife, groups: this.casts.recent() });
    this.downlink = new DownlinkSender(bus, config.nodeId, newTick);
    this.blocks = new Blocks({
      relations: (pairs) => mysql.facts.relations(pairs),
      monotonic: () => bus.clock.monotonic(),
    });
    const { recipientsPerSecond: perSecond, recipientsBurst: burst } = config.limits;
    this.recipients = new Budgets({ perSecond, burst, monotonic: () => bus.clock.monotonic() });
    this.metrics = new WorkerMetrics(config.nodeId, () => this.ownership.states());
    this.ownership = newOwnership(this.buildPorts());
    this.receipts = new ReceiptService({
      bus,
      partitions,
      sessions,
      marks: new Marks(redis),
      saveMarks: (updates) => mysql.conversations.moveMarks(updates),
      notify: (gateway, notices) => this.downlink.notices(gateway, notices),
      blocked: (pairs) => this.blocks.between(pairs),
    });
    this.lastSeen = new LastSeen(
      (seen) => mysql.users.saw(seen),
      (err) => bus.logger.warn({ err }, "when users were seen is not kept"),
    );
    this.presence = new PresenceService({
      bus,
      visible: (wanted) => this.facts.visible(wanted, config.policy.presence === "everybody"),
      frozen: (pairs) => mysql.relations.frozen(pairs, config.policy.presence === "everybody"),
      sessionsOf: (userIds) => sessions.ofMany(userIds),
      lastSeen: (userIds) => mysql.users.lastSeen(userIds),
    });
    this.sessions = new SessionService({
      bus,
      logger: bus.logger,
      inboxes: this.inboxes,
      sessions,
      deviceRules: () => ({
        onePerPlatform: config.policy.devices === "one-per-platform",
        most: config.policy.maxDevices,
        gateways: options.coordination.view.nodes("gateway"),
      }),
      credentials: shareCredentials(mysql.credentials, () => bus.clock.monotonic()),
      hasConversation: (userId, deadline) => mysql.facts.hasConversation(userId, deadline),
      largeGroupsOf: (userIds, deadline) => mysql.groupFacts.largeGroupsOf(userIds, deadline),
      announce: (announcements) => this.downlink.announce(announcements),
      saw: (userId, deviceId, at) => this.lastSeen.saw(userId, deviceId, at),
      close: (userId, replaced, closeCode) => this.closeConnection(userId, replaced, closeCode),
    });
  }

  async start(): Promise<void> {
    const { coordination } = this.options;
    const onView = () => {
      // An api sends messages of other systems, and is answered like a gateway.
      const apis = coordination.view.nodes("api").map(({ nodeId, boot }) => ({ nodeId: apiLink(nodeId), boot }));
      this.downlink.setGateways([...coordination.view.nodes("gateway"), ...apis]);
      this.ownership.check();
    };
    const stops = [
      coordination.onChange(onView),
      // Orders to forget may have been lost meanwhile.
      this.options.bus.onReconnect(() => {
        this.facts.forgetEverybody();
        this.blocks.forgetAll();
      }),
    ];
    this.stopWatching = () => {
      for (const stop of stops) stop();
    };
    onView();
    this.runTimer = setInterval(
      guarded("timer", () => this.readRun()),
      RUN_EVERY_MS,
    );
    void this.readRun();
    this.downlink.start();
    this.sessions.start();
    this.receipts.start();
    this.presence.start();
    this.ownership.start();
  }

  /** Whether the inboxes of all partitions that it owns can be filled. */
  get delivers(): boolean {
    return this.ownership.states().every(({ fanoutStalled }) => fanoutStalled !== true);
  }

  /** Forgets what is remembered of these people: it changed. */
  forget({ users, pairs }: People): void {
    for (const userId of users) this.facts.forgetUser(userId);
    for (const [a, b] of pairs) this.facts.forgetRelation(a, b);
    this.blocks.forget(pairs);
  }

  /** Hands over the partitions, then stops answering. */
  async stop(): Promise<void> {
    await this.ownership.stop();
    this.stopWatching();
    clearInterval(this.runTimer);
    this.sessions.stop();
    this.presence.stop();
    await Promise.all([this.receipts.stop(), this.lastSeen.flush()]);
    this.downlink.stop();
  }

  /** Gateways learn from the ticks that Redis began a new life: their sessions are registered in the old one. */
  private async readRun(): Promise<void> {
    this.redisLife = await this.options.redis.life().catch(() => this.redisLife);
  }

  private buildPorts(): WorkerPorts {
    const { bus, config, boot, partitions, coordination, mysql, redis } = this.options;
    const { facts, inboxes, casts, downlink } = this;
    const trace = traceOf(bus.logger);
    return {
      ...{ bus, nodeId: config.nodeId, boot, partitions, facts, inboxes, casts, downlink },
      policy: {
        strangers: config.policy.strangers,
        spend: (senderId, recipients) => this.recipients.take(senderId, recipients),
        showsBefore: config.groups.historyBeforeJoining,
        recallMs: config.recall.windowSeconds * 1_000,
        keepMs: config.retention.days === 0 ? Number.POSITIVE_INFINITY : config.retention.days * DAY_MS,
      },
      placement: placementOf(coordination, partitions, config.nodeId),
      groupSource: mysql.groupFacts,
      recent: new RecentEvents(redis),
      onVerdicts: (verdicts) => {
        this.metrics.count(verdicts);
        if (trace !== undefined) for (const verdict of verdicts) trace(traced(verdict), "a request was decided");
      },
      archivePositions: () => mysql.facts.archivePositions(),
      post: (partition, report) => coordination.partitions.put(ROLES.worker, partition, report),
    };
  }

  private closeConnection(userId: string, replaced: DeviceSession, closeCode: number): void {
    const { gateway, boot, deviceId, connection: number } = replaced;
    const closing: Closing = { userId, deviceId, connection: { boot, number }, closeCode };
    this.downlink.send(gateway, { kind: "closings", closings: [closing] });
  }
}

function placementOf(coordination: Coordination, partitions: number, nodeId: string): Placement {
  const assigned = (partition: number) => coordination.assignment(ROLES.worker, partitions).get(partition);
  const { heartbeats, view } = coordination;
  return {
    isMine: (partition) => assigned(partition) === nodeId,
    willBeMine: (partition) => coordination.assignmentToCome(ROLES.worker, partitions).get(partition) === nodeId,
    hasSuccessor: (partition) => ![undefined, nodeId].includes(assigned(partition)),
    isPresent: (former) => view.nodes(ROLES.worker).some((node) => node.boot === former),
    isAlive: (former) =>
      view.nodes(ROLES.worker).some((node) => node.boot === former && !heartbeats.suspected(ROLES.worker, node.nodeId)),
  };
}

/** The fields that identify a request and its answer in a line of the log. */
function traced({ origin, outcome }: Verdict): object {
  const { replyTo, connection, requestId } = origin;
  const answer = "error" in outcome ? { error: outcome.error.name } : outcome.sent;
  return { gateway: replyTo, connection, requestId, ...answer };
}
