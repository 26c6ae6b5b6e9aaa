/** Opens the connections of a gateway, starts the gateway, and stops it in good order. */
import { detached } from "@carillon/base";
import { Certificate, followSecrets, type Logger, type RunningProcess, runRole } from "@carillon/base/node";
import { type Bus, ClusterNode, DownlinkReceiver, serve, udpTicket } from "@carillon/bus";
import type { Coordination, Member } from "@carillon/coordination";
import type { ClientConnection } from "./accept/client-connection";
import type { Listener } from "./accept/doorkeeper";
import { Origins } from "./accept/origins";
import { listenTcp } from "./accept/tcp-listener";
import { DroppedDatagrams } from "./accept/udp/dropped-datagrams";
import { listenUdp } from "./accept/udp/udp-listener";
import { UdpTickets } from "./accept/udp/udp-tickets";
import { listenWebSocket } from "./accept/websocket-listener";
import { type GatewayConfig, loadConfig } from "./config";
import { Control } from "./drain/drain";
import { Gateway } from "./gateway";
import { GatewayCluster } from "./session/placement";

const ROLE = "gateway";
const LAST_ANSWERS_MS = 2_000;

async function start(config: GatewayConfig, logger: Logger): Promise<RunningProcess> {
  const { nodeId, gateway: settings } = config;
  const node = await ClusterNode.open(ROLE, config, logger);
  const { bus, boot, partitions, coordination } = node;
  const cluster = new GatewayCluster(coordination);
  const gateway = new Gateway({ config, bus, boot, partitions, cluster });
  const secretsFile = followSecrets(config.secrets, logger);
  const { stages, drain } = gateway;
  const downlink = receiveDownlink(bus, nodeId, gateway);
  stages.wheel.start();
  stages.typing.start();
  const tickets = new UdpTickets(stages.wheel);
  const stopTickets = serve(bus, udpTicket.to(nodeId), (owner) => tickets.issue(owner));
  const listeners = await listen({ config, gateway, cluster, bus, tickets });
  const { addresses } = listeners;
  const member = await node.join(addresses, settings.weight);
  cluster.member = member;
  followCluster(coordination, member, cluster, gateway);
  const drainMs = settings.drainSeconds * 1_000;
  const { users, submitter, watches } = stages;
  const control = new Control({ bus, nodeId, cluster, users, submitter, watches, drain, graceMs: drainMs });
  control.start();

  const stop = async () => {
    listeners.stopAccepting();
    stopTickets();
    await control.drain("shutdown");
    await control.emptied(drainMs);
    await Promise.all([submitter.stop(LAST_ANSWERS_MS), stages.reads.stop(LAST_ANSWERS_MS)]);
    stages.received.flush();
    const { recovery, groups, wheel, received, localPresence, closedSessions, typing } = stages;
    for (const part of [
      control,
      downlink,
      recovery,
      groups,
      wheel,
      received,
      watches,
      localPresence,
      closedSessions,
      typing,
    ])
      part.stop();
    secretsFile?.stop();
    gateway.issuers.stop();
    await node.leave();
    await listeners.close();
    await bus.close();
  };
  return { addresses, stop };
}

const LISTEN = { tcp: listenTcp, ws: listenWebSocket, udp: listenUdp };

interface Listening {
  config: GatewayConfig;
  gateway: Gateway;
  cluster: GatewayCluster;
  bus: Pick<Bus, "clock" | "logger">;
  tickets: UdpTickets;
}

/** Listens for clients at every address of the settings. */
async function listen({ config, gateway, cluster, bus: { clock, logger }, tickets }: Listening) {
  const { loginSeconds, sendQueueBytes, origins } = config.gateway;
  const certificates: Certificate[] = [];
  const shared = {
    accept: (connection: ClientConnection) => gateway.journey.accept(connection),
    mostQueuedBytes: sendQueueBytes,
    door: gateway.door,
    patienceMs: loginSeconds * 1_000,
    http: gateway.metrics.serve(cluster, config.metrics.token),
    origins: new Origins(origins),
    tickets,
    dropped: new DroppedDatagrams({ metrics: gateway.metrics, logger, clock }),
    wheel: gateway.stages.wheel,
    clock,
  };
  const all: Listener[] = [];
  for (const [index, listener] of config.listeners.entries()) {
    const { tls, transport } = listener;
    const certificate = tls && new Certificate(`gateway.listeners[${index}].tls`, tls, logger);
    if (certificate !== undefined) certificates.push(certificate);
    const options = { ...shared, listener, certificate };
    all.push(await LISTEN[transport](options));
  }
  return {
    /** By transport; clients are told the first listener of each. */
    addresses: Object.fromEntries(all.toReversed().map(({ transport, address }) => [transport, address])),
    stopAccepting: () => {
      for (const each of all) each.stopAccepting();
    },
    close: async () => {
      await Promise.all(all.map((each) => each.close()));
      for (const certificate of certificates) certificate.stop();
    },
  };
}

/** Takes the messages of workers and apis, and notices when some may be lost. */
function receiveDownlink(bus: Bus, nodeId: string, { journey, stages: { recovery } }: Gateway): DownlinkReceiver {
  bus.onReconnect(() => recovery.after("the gateway's own connection to NATS is back"));
  const downlink = new DownlinkReceiver({
    bus,
    gateway: nodeId,
    takesOrders: true,
    onMessage: (message) => journey.deliver(message),
    onBreak: (sender, why) => recovery.afterBreak(sender, why),
  });
  downlink.start();
  return downlink;
}

/** Follows the ring and this gateway's own place in it: clients are sent to, or offered, the gateways to which they belong. */
function followCluster(
  coordination: Coordination,
  member: Member,
  cluster: GatewayCluster,
  { drain, stages }: Gateway,
): void {
  let ringPrint = cluster.fingerprint;
  coordination.onChange(() => {
    stages.watches.compareGateways();
    const { fingerprint } = cluster;
    if (fingerprint !== ringPrint && member.record.state === "up") detached("drain", drain.send("rebalance", false));
    ringPrint = fingerprint;
  });
  member.on("lost", () => detached("drain", drain.offer()));
  member.on("regained", () => {
    drain.cancel();
    // Other gateways have counted the users of this gateway as gone, and this gateway may have counted theirs.
    stages.recovery.after("the gateway has its lease back");
  });
}

const stopMs = ({ gateway }: GatewayConfig) => (gateway.drainSeconds + 10) * 1_000;
void runRole({ role: ROLE, loadConfig, stopMs, start });
