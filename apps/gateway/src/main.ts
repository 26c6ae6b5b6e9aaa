/** Constructs the connections of a gateway, starts it, and ends it in good order. */
import { detached, randomId } from "@carillon/base";
import {
  buildVersion,
  createLogger,
  exitWithError,
  type Logger,
  loadOrExit,
  type RunningProcess,
  runProcess,
} from "@carillon/base/node";
import { type Bus, connectBus, DownlinkReceiver, fingerprintOf, readLayout } from "@carillon/bus";
import { type Coordination, type Member, openCoordination } from "@carillon/coordination";
import type { ClientConnection } from "./accept/client-connection";
import { listenTcp } from "./accept/tcp-listener";
import { listenWebSocket } from "./accept/websocket-listener";
import { type GatewayConfig, loadConfig } from "./config";
import { doubtsAfter } from "./deliver/broken-link";
import { newLinkRepair } from "./deliver/link-repair";
import { Control } from "./drain/control";
import { Gateway } from "./gateway";
import { GatewayCluster } from "./session/placement";
import { newRecheck } from "./session/recheck";

const ROLE = "gateway";
const LAST_ANSWERS_MS = 2_000;

async function start(config: GatewayConfig, logger: Logger): Promise<RunningProcess> {
  const { nodeId, gateway: settings } = config;
  const boot = randomId(10);
  const onLost = (error?: Error) => exitWithError(logger, error ?? new Error("the connection to NATS is closed"));
  const bus = await connectBus({ settings: config.nats, name: nodeId, logger, onLost });
  const layout = await readLayout(bus);
  const { partitions } = layout;
  const self = { nodeId, boot, role: ROLE, version: buildVersion(), fingerprint: fingerprintOf(layout) };
  const coordination = await openCoordination({ connection: bus.connection, logger, replicas: config.nats.replicas });
  await coordination.view.ready();
  const cluster = new GatewayCluster(coordination);
  const gateway = new Gateway({ config, bus, boot, partitions, cluster });
  const { journey, stages, farewell } = gateway;
  const receiving = receiveDownlink(bus, nodeId, gateway);
  stages.wheel.start();
  stages.typing.start();
  const accept = (connection: ClientConnection) => journey.accept(connection);
  const listening = {
    host: settings.host,
    advertiseHost: config.advertiseHost,
    accept,
    mostQueuedBytes: settings.sendQueueBytes,
    door: gateway.door,
  };
  const tcp = await listenTcp({ ...listening, port: settings.tcpPort });
  const ws = await listenWebSocket({
    ...listening,
    port: settings.wsPort,
    http: gateway.metrics.serve(cluster, config.metrics.token),
    patienceMs: settings.loginSeconds * 1_000,
  });
  const addresses = { ws: ws.address, tcp: tcp.address };
  const member = await coordination.join({ ...self, addresses, weight: settings.weight });
  cluster.member = member;
  member.on("stepped-down", () => onLost(new Error(`another process runs as ${nodeId}`)));
  followCluster(coordination, member, cluster, gateway);
  const drainMs = settings.drainSeconds * 1_000;
  const { users, submitter, watches } = stages;
  const control = new Control({ bus, nodeId, cluster, users, submitter, watches, farewell, graceMs: drainMs });
  control.start();

  const stop = async () => {
    tcp.stopAccepting();
    ws.stopAccepting();
    await control.drain("shutdown");
    await control.emptied(drainMs);
    await Promise.all([submitter.stop(LAST_ANSWERS_MS), stages.reads.stop(LAST_ANSWERS_MS)]);
    stages.received.flush();
    const { groups, wheel, renewal, received, lostNotices, ownUsers, left, typing } = stages;
    const ending = [groups, wheel, renewal, received, lostNotices, watches, ownUsers, left, typing];
    for (const part of [control, ...receiving, ...ending]) part.stop();
    await member.leave();
    await coordination.close();
    await Promise.all([tcp.close(), ws.close()]);
    await bus.close();
  };
  return { addresses, stop };
}

/** Takes what workers and apis send, and looks for what may have been lost. @returns what has to be stopped */
function receiveDownlink(bus: Bus, nodeId: string, { journey, stages }: Gateway): { stop(): void }[] {
  const repair = newLinkRepair(bus, stages.users);
  const recheck = newRecheck(bus, stages.users);
  // Between servers of NATS, what gateways tell each other is lost together with what comes from workers and apis.
  const findLost = () => {
    stages.lostNotices.request();
    stages.watches.doubt();
    stages.ownUsers.tellAgain();
  };
  bus.onReconnect(() => {
    recheck.request();
    stages.groups.doubt();
    findLost();
  });
  const downlink = new DownlinkReceiver({
    bus,
    gateway: nodeId,
    onMessage: (message) => journey.deliver(message),
    onBreak: (sender, why) => {
      const { inboxes, sessions, notices } = doubtsAfter(sender, why);
      bus.logger.info({ sender, why, inboxes, sessions, notices }, "a link broke, what it may have said is compared");
      if (inboxes) {
        repair.request();
        stages.groups.doubt();
      }
      if (sessions) recheck.request();
      if (notices) findLost();
    },
  });
  downlink.start();
  return [downlink, repair, recheck];
}

/** The ring changed, or this gateway's own place in it: clients are sent, or offered, to where they are served. */
function followCluster(
  coordination: Coordination,
  member: Member,
  cluster: GatewayCluster,
  { farewell, stages }: Gateway,
): void {
  let ringPrint = cluster.fingerprint;
  coordination.onChange(() => {
    stages.watches.compareGateways();
    const { fingerprint } = cluster;
    if (fingerprint !== ringPrint && member.record.state === "up")
      detached("farewell", farewell.send("rebalance", false));
    ringPrint = fingerprint;
  });
  member.on("lost", () => detached("farewell", farewell.offer()));
  member.on("regained", () => {
    farewell.stay();
    // Others have taken the users of this gateway for gone, and it may have taken theirs.
    stages.ownUsers.tellAgain();
    stages.watches.doubt();
    stages.renewal.request(stages.users.userIds);
  });
}

const config = loadOrExit(loadConfig);
const logger = createLogger(ROLE, config.nodeId, config.log.level);
const stopMs = (config.gateway.drainSeconds + 10) * 1_000;
void runProcess({ role: ROLE, nodeId: config.nodeId, logger, stopMs }, () => start(config, logger));
