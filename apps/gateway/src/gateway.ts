/** Builds the stages of a gateway, each with the stages that it uses; main.ts makes the connections. */
import { Budgets, TimerWheel } from "@carillon/base";
import { Issuers, TokenVerifier } from "@carillon/base/node";
import type { Bus } from "@carillon/bus";
import { Doorkeeper } from "./accept/doorkeeper";
import type { GatewayConfig } from "./config";
import { Drain } from "./drain/drain";
import { LargeGroups } from "./groups/large-groups";
import { inboxReader, UserInbox } from "./inbox/user-inbox";
import { GatewayJourney, type GatewayStages } from "./journey";
import { GatewayMetrics } from "./metrics";
import { LocalPresence, PresenceNetwork } from "./presence/local-presence";
import { Watches } from "./presence/watches";
import { ReadReceipts } from "./receipts/read-receipts";
import { ReceivedBatch } from "./receipts/received-batch";
import { NoticeRepair, Resend } from "./recovery/devices";
import { Recovery } from "./recovery/recovery";
import { ClosedSessions, Renewal } from "./recovery/registrations";
import { SessionOpener } from "./session/open-session";
import { type GatewayCluster, Placement } from "./session/placement";
import { SessionWatch } from "./session/session-watch";
import { Deliverer, UserRegistry } from "./session/user-registry";
import { Submitter } from "./submit/submit";
import { UserQuestions } from "./submit/user-questions";
import { Typing } from "./typing/typing";

export interface GatewayOptions {
  config: GatewayConfig;
  bus: Bus;
  boot: string;
  partitions: number;
  cluster: GatewayCluster;
}

export class Gateway {
  readonly journey: GatewayJourney;
  readonly stages: GatewayStages;
  readonly metrics: GatewayMetrics;
  readonly drain: Drain;
  readonly door: Doorkeeper;
  readonly issuers: Issuers;

  constructor(private readonly options: GatewayOptions) {
    const { config, bus, cluster } = options;
    const { clock, logger } = bus;
    const { connectionBounds: bounds, gateway: settings } = config;
    const placement = new Placement(config.nodeId, cluster);
    const metrics = new GatewayMetrics(config.nodeId);
    this.metrics = metrics;
    this.issuers = new Issuers(config.issuers, logger);
    this.stages = this.buildStages(placement);
    const { users, submitter } = this.stages;
    metrics.observe(users, submitter);
    this.journey = new GatewayJourney(clock, config.limits, this.stages);
    const { trustProxy, loginSeconds } = settings;
    this.door = new Doorkeeper({ bounds, trustProxy, patienceMs: loginSeconds * 1_000, metrics, logger });
    this.drain = new Drain({ users, placement, clock, perSecond: settings.rebalancePerSecond });
  }

  private buildStages(placement: Placement): GatewayStages {
    const { config, bus, boot, partitions, cluster } = this.options;
    const { metrics } = this;
    const { nodeId, gateway: settings } = config;
    const { clock } = bus;
    const node = { gateway: nodeId, boot };
    const perSecond = settings.renewalPerSecond;
    const tokens = new TokenVerifier(config.secrets, this.issuers);
    const wheel = new TimerWheel();
    const readInbox = inboxReader(bus);
    const users = new UserRegistry((userId) => new UserInbox({ userId, readInbox, resend, renewal, metrics }));
    const watch = new SessionWatch({
      ...{ wheel, clock, wallClock: Date, tokens },
      loginMs: settings.loginSeconds * 1_000,
      silenceMs: settings.silenceSeconds * 1_000,
      tokenGraceMs: settings.tokenGraceSeconds * 1_000,
    });
    const opener = new SessionOpener({
      ...{ bus, nodeId, boot, cluster, placement, users, watch, tokens },
      heartbeatSeconds: settings.heartbeatSeconds,
      limits: config.connectionLimits,
    });
    const groups = new LargeGroups(bus, partitions, users);
    const received = new ReceivedBatch(bus);
    const resend = new Resend({ wheel, users, metrics });
    const renewal = new Renewal({ users, opener, received, perSecond });
    const network = new PresenceNetwork(bus, node);
    const localPresence = new LocalPresence({ wheel, users, network });
    const watches = new Watches({ network, cluster, clock });
    const noticeRepair = new NoticeRepair(users, perSecond);
    return {
      ...{ wheel, watch, users, opener, groups, received, resend, renewal, localPresence, watches },
      submitter: this.buildSubmitter(users),
      deliverer: new Deliverer(bus, boot, users),
      typing: new Typing({ bus, nodeId, partitions, cluster, users }),
      reads: new ReadReceipts({ bus, partitions, users }),
      recovery: new Recovery({ bus, users, groups, noticeRepair, localPresence, watches, renewal }),
      closedSessions: new ClosedSessions(bus, node, localPresence),
    };
  }

  private buildSubmitter(users: UserRegistry): Submitter {
    const { config, bus, boot, partitions, cluster } = this.options;
    const { nodeId, limits } = config;
    const { clock } = bus;
    const monotonic = () => clock.monotonic();
    const messages = new Budgets({ perSecond: limits.messagesPerSecond, burst: limits.messagesBurst, monotonic });
    const questions = new UserQuestions({ limits, clock });
    return new Submitter({ bus, nodeId, boot, partitions, users, cluster, messages, questions });
  }
}
