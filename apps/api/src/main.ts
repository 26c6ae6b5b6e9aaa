/** Constructs the connections of an api, starts it, and ends it in good order. */
import { ROLES, randomId } from "@carillon/base";
import {
  buildVersion,
  createLogger,
  exitWithError,
  type Logger,
  loadOrExit,
  type RunningProcess,
  runProcess,
} from "@carillon/base/node";
import { connectBus, fingerprintOf, readLayout, serveControl } from "@carillon/bus";
import { type Coordination, openCoordination } from "@carillon/coordination";
import { checkSchemaIfReachable, MysqlStore, RedisStore } from "@carillon/store";
import { Api } from "./api";
import { type ApiConfig, loadConfig } from "./config";
import type { GatewayRing } from "./subjects/conversations/gateways";

const ROLE = "api";
const STOP_MS = 9_000;

async function start(config: ApiConfig, logger: Logger): Promise<RunningProcess> {
  const { nodeId } = config;
  const boot = randomId(10);
  const onLost = (error?: Error) => exitWithError(logger, error ?? new Error("the connection to NATS is closed"));
  const bus = await connectBus({ settings: config.nats, name: nodeId, logger, onLost });
  const layout = await readLayout(bus);
  const { partitions } = layout;
  const self = { nodeId, boot, role: ROLE, version: buildVersion(), fingerprint: fingerprintOf(layout) };
  await checkSchemaIfReachable(config.mysql, logger);
  const [redis, mysql, coordination] = await Promise.all([
    RedisStore.connect(config.redis, logger),
    MysqlStore.connect(config.mysql, logger),
    openCoordination({ connection: bus.connection, logger, replicas: config.nats.replicas }),
  ]);
  await coordination.view.ready();
  const lease = (name: string) => coordination.lease(name, `${nodeId}.${boot}`);
  const api = new Api({ config, bus, boot, partitions, redis, mysql, ring: ringOf(coordination), coordination, lease });
  const nodes = (role: string) => coordination.view.nodes(role);
  const onView = () => api.setNodes({ gateways: nodes("gateway"), workers: nodes(ROLES.worker), apis: nodes(ROLE) });
  coordination.onChange(onView);
  onView();
  const http = await api.start();
  const member = await coordination.join({ ...self, addresses: { http } });
  member.on("stepped-down", () => onLost(new Error(`another process runs as ${nodeId}`)));
  const stopControl = serveControl(bus, ROLE, nodeId, {
    state: () => ({ nodeId, state: member.record.state, load: {} }),
    drain: () => member.setState("draining"),
    undrain: () => member.setState("up"),
    unlock: (userId) => api.unlock(userId),
  });

  const stop = async () => {
    stopControl();
    await member.leave().catch(() => {});
    await api.stop();
    await coordination.close();
    await Promise.all([redis.close(), mysql.close()]);
    await bus.close();
  };
  return { addresses: { http }, stop };
}

function ringOf(coordination: Coordination): GatewayRing {
  return {
    walk: (userId, count) => coordination.ringOf("gateway").walk(userId, count),
    address: (gatewayId) => {
      const { ws, tcp } = coordination.view.get("gateway", gatewayId)?.addresses ?? {};
      return ws === undefined || tcp === undefined ? undefined : { gatewayId, ws, tcp };
    },
  };
}

const config = loadOrExit(loadConfig);
const logger = createLogger(ROLE, config.nodeId, config.log.level);
void runProcess({ role: ROLE, nodeId: config.nodeId, logger, stopMs: STOP_MS }, () => start(config, logger));
