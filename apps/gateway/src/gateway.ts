/** The stages of a gateway, built and wired; main.ts gives it the connections to the world. */
import { Budgets, TimerWheel } from "@carillon/base";
import { createTokenVerifier, traceOf } from "@carillon/base/node";
import {
  ask,
  type Bus,
  castPresence,
  listenToPresence,
  type PresenceFound,
  type PresenceRead,
  subjects,
} from "@carillon/bus";
import { CloseCode } from "@carillon/protocol";
import { Doorkeeper } from "./accept/doorkeeper";
import type { GatewayConfig } from "./config";
import { Deliverer } from "./deliver/deliverer";
import { DeliveryCursor } from "./deliver/delivery-cursor";
import { readInbox } from "./deliver/read-inbox";
import { Resend } from "./deliver/resend";
import { UserInbox } from "./deliver/user-inbox";
import { Farewell } from "./drain/farewell";
import { LargeGroups } from "./groups/large-groups";
import { GatewayJourney, type GatewayStages } from "./journey";
import { GatewayMetrics } from "./metrics";
import { OwnUsers } from "./presence/own-users";
import { Watches } from "./presence/watches";
import { LostNotices } from "./receipts/lost-notices";
import { ReadReceipts } from "./receipts/read-receipts";
import { ReceivedBatch } from "./receipts/received-batch";
import { sessionLimits } from "./receive/receiver";
import { LeftSessions } from "./session/left-sessions";
import { SessionOpener } from "./session/open-session";
import { type GatewayRing, Placement } from "./session/placement";
import { Renewal } from "./session/renewal";
import type { Session } from "./session/session";
import type { Identity } from "./session/session-state";
import { SessionWatch } from "./session/session-watch";
import { UserRegistry } from "./session/user-registry";
import { Submitter } from "./submit/submit";
import { UserQuestions } from "./submit/user-questions";
import { Typing } from "./typing/typing";

export interface GatewayOptions {
  config: GatewayConfig;
  bus: Bus;
  boot: string;
  partitions: number;
  ring: GatewayRing;
  /** Whether a gateway of that boot is in the view. */
  isThere(gateway: string, boot: string): boolean;
  /** Whether this node has its lease: without it, requests are refused with BUSY. */
  hasLease(): boolean;
}

export class Gateway {
  readonly journey: GatewayJourney;
  readonly stages: GatewayStages;
  readonly metrics: GatewayMetrics;
  readonly farewell: Farewell;
  readonly door: Doorkeeper;

  constructor(private readonly options: GatewayOptions) {
    const { config, bus, ring } = options;
    const { clock } = bus;
    const placement = new Placement(config.nodeId, ring);
    this.metrics = new GatewayMetrics(
      config.nodeId,
      () => this.stages.users,
      () => this.stages.submitter.waiting,
    );
    this.journey = new GatewayJourney(
      {
        now: () => clock.now(),
        monotonic: () => clock.monotonic(),
        sessionLimits: () => sessionLimits(config.limits, clock.monotonic()),
        forget: (session, identity) => this.forget(session, identity),
      },
      () => this.stages,
    );
    this.stages = this.buildStages(placement);
    this.door = new Doorkeeper({
      bounds: config.connectionBounds,
      trustProxy: config.gateway.trustProxy,
      onRefused: (why, remote) => {
        this.metrics.refusedConnections.inc({ why });
        bus.logger.warn({ remote, why }, "there is no place for a connection");
      },
    });
    this.farewell = new Farewell({
      sessions: () => this.stages.users.sessions.values(),
      destination: ({ identity, keepUntil }, leaving) => {
        if (identity === undefined) return undefined;
        if (leaving) return placement.withoutMe(identity.userId);
        return keepUntil > clock.monotonic() ? undefined : placement.elsewhere(identity.userId);
      },
      perSecond: config.gateway.rebalancePerSecond,
      random: Math.random,
    });
  }

  private buildStages(placement: Placement): GatewayStages {
    const { config, bus, boot, partitions, ring } = this.options;
    const { nodeId, gateway } = config;
    const monotonic = () => bus.clock.monotonic();
    const verify = createTokenVerifier(config.secret, config.issuers);
    const wheel = new TimerWheel();
    const users = new UserRegistry({
      newInbox: (userId) =>
        new UserInbox({
          userId,
          read: readInbox(bus),
          onDelivered: (session, events) => {
            this.metrics.delivered.inc(events);
            resend.sent(session);
          },
          onNewEpoch: (user) => renewal.request([user]),
          onRepaired: () => this.metrics.repairs.inc(),
        }),
    });
    const watch = new SessionWatch({
      wheel,
      loginMs: gateway.loginSeconds * 1_000,
      silenceMs: gateway.silenceSeconds * 1_000,
      tokenGraceMs: gateway.tokenGraceSeconds * 1_000,
      // Tokens are dated by the wall clock of the api that signed them.
      now: () => Date.now(),
      monotonic,
      verify,
    });
    const session = (number: number) => users.sessions.get(number);
    const resend = new Resend({
      wheel,
      serve: (waiting) => this.journey.serve(waiting),
      giveUp: (waiting) => waiting.kick(CloseCode.SLOW_READER),
      onResent: () => this.metrics.resent.inc(),
    });
    const renewal = new Renewal({
      users,
      renew: (renewed) => this.stages.opener.renew(renewed),
      perSecond: gateway.renewalPerSecond,
    });
    const groups = new LargeGroups(bus, partitions, users);
    const received = new ReceivedBatch(bus);
    const ownUsers = this.buildOwnUsers(wheel, users);
    return {
      wheel,
      watch,
      users,
      left: new LeftSessions(bus, (userId) => ownUsers.tell(userId)),
      groups,
      resend,
      renewal,
      deliverer: new Deliverer(users, boot, {
        onRun: (run) => renewal.seeRun(run),
        onGroupNews: (news) => groups.hear(news),
        onGroupTick: (lately) => groups.tick(lately),
        trace: traceOf(bus.logger),
      }),
      received,
      reads: new ReadReceipts({ bus, partitions, session }),
      typing: new Typing({ bus, nodeId, partitions, ring, users }),
      watches: this.buildWatches(),
      ownUsers,
      lostNotices: new LostNotices(() => users.sessions.values(), gateway.renewalPerSecond),
      submitter: this.buildSubmitter(session),
      opener: this.buildOpener(placement, { watch, users, groups, received, ownUsers, verify }),
    };
  }

  private buildSubmitter(session: (number: number) => Session | undefined): Submitter {
    const { config, bus, boot, partitions, hasLease } = this.options;
    const { nodeId, limits } = config;
    const monotonic = () => bus.clock.monotonic();
    return new Submitter({
      ...{ bus, nodeId, boot, partitions, session, mayAccept: hasLease, trace: traceOf(bus.logger) },
      questions: new UserQuestions({ limits, monotonic }),
      messages: new Budgets({ perSecond: limits.messagesPerSecond, burst: limits.messagesBurst, monotonic }),
    });
  }

  /** Has the registry forget a connection that is gone. */
  private forget({ number: connection }: Session, { userId, deviceId }: Identity): void {
    const { config, bus, boot } = this.options;
    const endedAt = bus.clock.now();
    void this.stages.left.add({ userId, deviceId, gateway: config.nodeId, boot, connection, endedAt });
  }

  private buildOwnUsers(wheel: TimerWheel, users: UserRegistry): OwnUsers {
    const { config, bus, boot } = this.options;
    const here = { gateway: config.nodeId, boot };
    return new OwnUsers({
      wheel,
      userIds: () => users.userIds,
      platforms: (userId) => users.platforms(userId),
      tell: (userId, platforms) => castPresence(bus, userId, { ...here, platforms, since: bus.clock.now() }),
    });
  }

  private buildWatches(): Watches {
    const { bus, isThere } = this.options;
    return new Watches({
      listen: (userId, onNews) => listenToPresence(bus, userId, onNews),
      settled: () => bus.connection.flush(),
      find: (question) => ask<PresenceRead, PresenceFound>(bus, subjects.presence, question),
      isThere,
      now: () => bus.clock.now(),
    });
  }

  private buildOpener(
    placement: Placement,
    parts: Pick<GatewayStages, "watch" | "users" | "groups" | "received" | "ownUsers"> & {
      verify: ReturnType<typeof createTokenVerifier>;
    },
  ): SessionOpener {
    const { config, bus, boot } = this.options;
    const { watch, users, groups, received, ownUsers, verify } = parts;
    const trace = traceOf(bus.logger);
    return new SessionOpener({
      bus,
      nodeId: config.nodeId,
      boot,
      heartbeatSeconds: config.gateway.heartbeatSeconds,
      limits: config.connectionLimits,
      placement,
      users,
      verify,
      newCursor: (epoch, from) => new DeliveryCursor(epoch, from),
      process: (opened, frame) => this.journey.process(opened, frame),
      onPutOff: (session) => watch.begin(session),
      onDelivered: (userId, marks) => received.deliver(userId, marks),
      onLeft: (session, identity) => this.forget(session, identity),
      onOpened: (opened) => {
        watch.opened(opened);
        const { userId, deviceId, platform } = opened.identity!;
        const { number: session, connection } = opened;
        trace?.({ remote: connection.remote, userId, deviceId, session }, "a session is open");
        groups.came(userId);
        ownUsers.came(userId, platform);
      },
    });
  }
}
