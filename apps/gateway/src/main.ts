/** Opens the connections of a gateway, starts the gateway, and stops it in good order. */
import { detached } from "@carillon/base";
import { type Logger, type RunningProcess, runRole } from "@carillon/base/node";
import { type Bus, ClusterNode, DownlinkReceiver } from "@carillon/bus";
import type { Coordination, Member } from "@carillon/coordination";
import type { ClientConnection } from "./accept/client-connection";
import { listenTcp } from "./accept/tcp-listener";
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
  const { journey, stages, drain } = gateway;
  const downlink = receiveDownlink(bus, nodeId, gateway);
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
  const member = await node.join(addresses, settings.weight);
  cluster.member = member;
  followCluster(coordination, member, cluster, gateway);
  const drainMs = settings.drainSeconds * 1_000;
  const { users, submitter, watches } = stages;
  const control = new Control({ bus, nodeId, cluster, users, submitter, watches, drain, graceMs: drainMs });
  control.start();

  const stop = async () => {
    tcp.stopAccepting();
    ws.stopAccepting();
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
    await node.leave();
    await Promise.all([tcp.close(), ws.close()]);
    await bus.close();
  };
  return { addresses, stop };
}

/** Takes the messages of workers and apis, and notices when some may be lost. */
function receiveDownlink(bus: Bus, nodeId: string, { journey, stages: { recovery } }: Gateway): DownlinkReceiver {
  bus.onReconnect(() => recovery.after("the gateway's own connection to NATS is back"));
  const downlink = new DownlinkReceiver({
    bus,
    gateway: nodeId,
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
