/** Constructs the connections of a worker, starts it, and ends it in good order. */
import { ROLES, randomId } from "@carillon/base";
import {
  buildVersion,
  createLogger,
  exitWithError,
  type Logger,
  loadOrExit,
  type RunningProcess,
  runProcess,
  serveProbes,
} from "@carillon/base/node";
import { connectBus, fingerprintOf, readLayout, serveControl } from "@carillon/bus";
import { openCoordination } from "@carillon/coordination";
import { checkSchemaIfReachable, MysqlStore, RedisStore } from "@carillon/store";
import { loadConfig, type WorkerConfig } from "./config";
import { STOP_MS } from "./timings";
import { Worker } from "./worker";

async function start(config: WorkerConfig, logger: Logger): Promise<RunningProcess> {
  const { nodeId } = config;
  const boot = randomId(10);
  const onLost = (error?: Error) => exitWithError(logger, error ?? new Error("the connection to NATS is closed"));
  const bus = await connectBus({ settings: config.nats, name: nodeId, logger, onLost });
  const layout = await readLayout(bus);
  const { partitions } = layout;
  const self = { nodeId, boot, role: ROLES.worker, version: buildVersion(), fingerprint: fingerprintOf(layout) };
  await checkSchemaIfReachable(config.mysql, logger);
  const [redis, mysql, coordination] = await Promise.all([
    RedisStore.connect(config.redis, logger),
    MysqlStore.connect(config.mysql, logger),
    openCoordination({ connection: bus.connection, logger, replicas: config.nats.replicas }),
  ]);
  await coordination.view.ready();
  const worker = new Worker({ config, bus, boot, partitions, coordination, redis, mysql });
  let hasPlace = false;
  const checks = {
    nats: () => !bus.connection.isClosed(),
    place: () => hasPlace,
    delivery: () => worker.delivers,
  };
  const probes = await serveProbes(
    { registry: worker.metrics.registry, checks, metricsToken: config.metrics.token },
    { host: config.worker.host, port: config.worker.httpPort },
  );
  const addresses = { http: probes.http };
  const member = await coordination.join({ ...self, addresses, weight: config.worker.weight });
  hasPlace = true;
  member.on("lost", () => {
    hasPlace = false;
  });
  member.on("regained", () => {
    hasPlace = true;
  });
  member.on("stepped-down", () => onLost(new Error(`another process runs as ${nodeId}`)));
  await worker.start();
  const stopControl = serveControl(bus, ROLES.worker, nodeId, {
    state: () => ({ nodeId, state: member.record.state, load: { partitions: worker.ownership.partitions.length } }),
    drain: () => member.setState("draining"),
    undrain: () => member.setState("up"),
    forget: (people) => worker.forget(people),
  });

  const stop = async () => {
    // Out of the assignment first: the others take over what is released from now on.
    await member.setState("draining").catch(() => {});
    await worker.stop();
    stopControl();
    await member.leave();
    await coordination.close();
    await Promise.all([redis.close(), mysql.close(), probes.close()]);
    await bus.close();
  };
  return { addresses, stop };
}

const config = loadOrExit(loadConfig);
const logger = createLogger("worker", config.nodeId, config.log.level);
void runProcess({ role: "worker", nodeId: config.nodeId, logger, stopMs: STOP_MS }, () => start(config, logger));
