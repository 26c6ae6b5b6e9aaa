/** Opens the connections of an archiver, starts it, and stops it in good order. */
import { ROLES } from "@carillon/base";
import { type Logger, type RunningProcess, runRole, serveProbes } from "@carillon/base/node";
import { ClusterNode, Followers } from "@carillon/bus";
import { checkSchemaIfReachable, MysqlStore } from "@carillon/store";
import { type ArchiverConfig, loadConfig } from "./config";
import { PartitionJourney } from "./journey";
import { archiverMetrics } from "./metrics";

const ROLE = ROLES.archiver;
const STOP_MS = 9_000;

async function start(config: ArchiverConfig, logger: Logger): Promise<RunningProcess> {
  const { nodeId, replayWindowMs } = config;
  const node = await ClusterNode.open(ROLE, config, logger);
  const { bus, boot, partitions, coordination } = node;
  await checkSchemaIfReachable(config.mysql, logger);
  const mysql = await MysqlStore.connect(config.mysql, logger);
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
  const member = await node.join(addresses, config.archiver.weight);
  coordination.onChange(() => archiver.check());
  archiver.start();
  node.control({ load: () => archiver.load() });

  const stop = async () => {
    await member.setState("draining").catch(() => {});
    await archiver.stop();
    await node.leave();
    await Promise.all([mysql.close(), probes.close()]);
    await bus.close();
  };
  return { addresses, stop };
}

void runRole({ role: ROLE, loadConfig, stopMs: STOP_MS, start });
