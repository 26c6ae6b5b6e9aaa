/** A worker's parts, built and wired; main.ts gives it the connections to the world. */
import { Budgets } from "@carillon/base";
import {
  apiLink,
  ask,
  type Bus,
  type Closing,
  DownlinkSender,
  type OwnerQuestion,
  ownerSubject,
  type People,
  readLastRecord,
} from "@carillon/bus";
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
import type { LogicConfig } from "./config";
import { GroupCasts } from "./fan-out/large-groups";
import { FactCache } from "./lookups/fact-cache";
import { Ownership } from "./own/ownership";
import { type OwnerContext, PartitionOwner } from "./partition-owner";
import { LastSeen } from "./presence/last-seen";
import { PresenceService } from "./presence/presence-service";
import { Blocks } from "./receipts/blocks";
import { ReceiptService } from "./receipts/receipt-service";
import { SessionService } from "./sessions/session-service";

const ROLE = "logic";
const RUN_EVERY_MS = 2_000;
const DAY_MS = 86_400_000;

export interface WorkerOptions {
  config: LogicConfig;
  bus: Bus;
  boot: string;
  partitions: number;
  coordination: Coordination;
  redis: RedisStore;
  mysql: MysqlStore;
}

export class Worker {
  readonly ownership: Ownership;
  private readonly downlink: DownlinkSender;
  private readonly sessions: SessionService;
  private readonly receipts: ReceiptService;
  private readonly presence: PresenceService;
  private readonly lastSeen: LastSeen;
  /** What users cost those whom they write to in groups. */
  private readonly recipients: Budgets;
  private readonly inboxes: Inboxes;
  private readonly facts: FactCache;
  private readonly casts: GroupCasts;
  private readonly blocks: Blocks;
  /** Life of Redis, as far as known. */
  private run = "";
  private runTimer: NodeJS.Timeout | undefined;
  private stopWatching: () => void = () => {};

  constructor(private readonly options: WorkerOptions) {
    const { bus, config, redis, mysql, partitions } = options;
    const sessions = new Sessions(redis);
    this.inboxes = new Inboxes(redis);
    this.facts = new FactCache(mysql.facts, bus.logger, () => bus.clock.monotonic());
    this.casts = new GroupCasts(bus);
    const newTick = () => ({ run: this.run, groups: this.casts.recent() });
    this.downlink = new DownlinkSender(bus, config.nodeId, newTick);
    this.blocks = new Blocks({
      relations: (pairs) => mysql.facts.relations(pairs),
      monotonic: () => bus.clock.monotonic(),
    });
    const { recipientsPerSecond: perSecond, recipientsBurst: burst } = config.limits;
    this.recipients = new Budgets({ perSecond, burst, monotonic: () => bus.clock.monotonic() });
    this.ownership = this.buildOwnership();
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
      onePerPlatform: config.policy.devices === "one-per-platform",
      credentials: (sessions, deadline) => mysql.credentials.of(sessions, deadline),
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
    this.runTimer = setInterval(() => void this.readRun(), RUN_EVERY_MS);
    void this.readRun();
    this.downlink.start();
    this.sessions.start();
    this.receipts.start();
    this.presence.start();
    this.ownership.start();
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
    this.run = await this.options.redis.run().catch(() => this.run);
  }

  private buildOwnership(): Ownership {
    const { bus, config, boot, partitions, coordination } = this.options;
    const context = this.buildContext();
    return new Ownership({
      logger: bus.logger,
      partitions,
      boot,
      isMine: (partition) => coordination.assignment(ROLE, partitions).get(partition) === config.nodeId,
      willBeMine: (partition) => coordination.assignmentToCome(ROLE, partitions).get(partition) === config.nodeId,
      isAlive: (former) =>
        coordination.view
          .nodes(ROLE)
          .some((node) => node.boot === former && !coordination.heartbeats.suspected(ROLE, node.nodeId)),
      hasHeir: (partition) => {
        const heir = coordination.assignment(ROLE, partitions).get(partition);
        return heir !== undefined && heir !== config.nodeId;
      },
      askRelease: (partition) =>
        ask<OwnerQuestion, null>(bus, ownerSubject(partition), { ask: "hand-over" }).then(() => {}),
      formerOwner: async (partition) => {
        const record = await readLastRecord(bus, partition);
        return record && { boot: record.header.boot, released: record.body.kind === "release" };
      },
      foldEarly: (partition) => PartitionOwner.foldEarly(context, partition),
      take: (partition, early, onLost) => PartitionOwner.take(context, partition, early, onLost),
      report: (partition, trouble) => {
        const report = { owner: config.nodeId, boot, epoch: 0, trouble };
        coordination.partitions.put(ROLE, partition, report).catch(() => {});
      },
    });
  }

  private buildContext(): OwnerContext {
    const { bus, config, boot, coordination, mysql, redis } = this.options;
    const { facts } = mysql;
    return {
      bus,
      nodeId: config.nodeId,
      boot,
      policy: {
        strangers: config.policy.strangers,
        spend: (senderId, recipients) => this.recipients.take(senderId, recipients),
        showsBefore: config.groups.historyBeforeJoining,
        recallMs: config.recall.windowSeconds * 1_000,
        keepMs: config.retention.days === 0 ? Number.POSITIVE_INFINITY : config.retention.days * DAY_MS,
      },
      facts: this.facts,
      groupSource: mysql.groupFacts,
      inboxes: this.inboxes,
      recent: new RecentEvents(redis),
      archivePosition: async (partition) => (await facts.archivePositions()).get(partition)?.position ?? -1,
      archivedLastSeqs: (conversationIds) => facts.lastSeqs(conversationIds),
      answer: ({ gateway, boot: answersFor, answers }) => this.downlink.answers(gateway, answersFor, answers),
      push: (gateway, pushes) => this.downlink.pushes(gateway, pushes),
      announce: (announcements) => this.downlink.announce(announcements),
      cast: (groupId, said) => this.casts.cast(groupId, said),
      tellNews: (news) => this.downlink.groups(news),
      renewLinks: () => this.downlink.renewLinks(),
      handOver: (partition) => this.ownership.handOver(partition),
      publishState: (partition, state) =>
        coordination.partitions.put(ROLE, partition, { ...state, owner: config.nodeId, boot }),
    };
  }

  private closeConnection(userId: string, replaced: DeviceSession, closeCode: number): void {
    const { gateway, boot, deviceId, connection: number } = replaced;
    const closing: Closing = { userId, deviceId, connection: { boot, number }, closeCode };
    this.downlink.send(gateway, { kind: "closings", closings: [closing] });
  }
}
