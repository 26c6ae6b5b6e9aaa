/** Opens the connections of an archiver, starts it, and stops it in good order. */
import { randomId } from "@carillon/base";
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
import { connectBus, Followers, fingerprintOf, readLayout, serveControl } from "@carillon/bus";
import { openCoordination } from "@carillon/coordination";
import { checkSchemaIfReachable, MysqlStore } from "@carillon/store";
import { type ArchiverConfig, loadConfig } from "./config";
import { PartitionJourney } from "./journey";
import { archiverMetrics } from "./metrics";

const ROLE = "archiver";
const STOP_MS = 9_000;

async function start(config: ArchiverConfig, logger: Logger): Promise<RunningProcess> {
  const { nodeId, replayWindowMs } = config;
  const boot = randomId(10);
  const onLost = (error?: Error) => exitWithError(logger, error ?? new Error("the connection to NATS is closed"));
  const bus = await connectBus({ settings: config.nats, name: nodeId, logger, onLost });
  const layout = await readLayout(bus);
  const { partitions } = layout;
  const self = { nodeId, boot, role: ROLE, version: buildVersion(), fingerprint: fingerprintOf(layout) };
  await checkSchemaIfReachable(config.mysql, logger);
  const mysql = await MysqlStore.connect(config.mysql, logger);
  const coordination = await openCoordination({ connection: bus.connection, logger, replicas: config.nats.replicas });
  await coordination.view.ready();
  const archiver = new Followers({
    bus,
    logger,
    partitions,
    isMine: (partition) => coordination.assignment(ROLE, partitions).get(partition) === nodeId,
    open: (partition) => new PartitionJourney({ bus, partition, archive: mysql.archive, logger, replayWindowMs }),
    report: (partition, report) => coordination.partitions.put(ROLE, partition, { ...report, owner: nodeId, boot }),
  });
  const checks = { nats: () => !bus.connection.isClosed() };
  const probes = await serveProbes(
    { registry: archiverMetrics(nodeId, () => archiver), checks, metricsToken: config.metrics.token },
    { host: config.archiver.host, port: config.archiver.httpPort },
  );
  const addresses = { http: probes.http };
  const member = await coordination.join({ ...self, addresses, weight: config.archiver.weight });
  member.on("stepped-down", () => onLost(new Error(`another process runs as ${nodeId}`)));
  coordination.onChange(() => archiver.check());
  archiver.start();
  const stopControl = serveControl(bus, ROLE, nodeId, {
    state: () => ({ nodeId, state: member.record.state, load: archiver.load() }),
    drain: () => member.setState("draining"),
    undrain: () => member.setState("up"),
  });

  const stop = async () => {
    await member.setState("draining").catch(() => {});
    await archiver.stop();
    stopControl();
    await member.leave();
    await coordination.close();
    await Promise.all([mysql.close(), probes.close()]);
    await bus.close();
  };
  return { addresses, stop };
}

const config = loadOrExit(loadConfig);
const logger = createLogger(ROLE, config.nodeId, config.log.level);
void runProcess({ role: ROLE, nodeId: config.nodeId, logger, stopMs: STOP_MS }, () => start(config, logger));
