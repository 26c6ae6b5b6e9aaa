/** Opens the connections of a worker, starts it, and stops it in good order. */
import { type Logger, type RunningProcess, runRole, serveProbes } from "@carillon/base/node";
import { ClusterNode } from "@carillon/bus";
import { checkSchemaIfReachable, MysqlStore, RedisStore } from "@carillon/store";
import { loadConfig, type WorkerConfig } from "./config";
import { STOP_MS } from "./timings";
import { Worker } from "./worker";

async function start(config: WorkerConfig, logger: Logger): Promise<RunningProcess> {
  const node = await ClusterNode.open("worker", config, logger);
  const [redis, mysql] = await Promise.all([
    RedisStore.connect(config.redis, logger),
    MysqlStore.connect(config.mysql, logger),
    checkSchemaIfReachable(config.mysql, logger),
  ]);
  const { bus, boot, partitions, coordination } = node;
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
  const member = await node.join(addresses, config.worker.weight);
  hasPlace = true;
  member.on("lost", () => {
    hasPlace = false;
  });
  member.on("regained", () => {
    hasPlace = true;
  });
  await worker.start();
  node.control({
    load: () => ({ partitions: worker.ownership.partitions.length }),
    forget: (people) => worker.forget(people),
  });

  const stop = async () => {
    // Out of the assignment first: the others take over what is released from now on.
    await member.setState("draining").catch(() => {});
    await worker.stop();
    await node.leave();
    await Promise.all([redis.close(), mysql.close(), probes.close()]);
    await bus.close();
  };
  return { addresses, stop };
}

void runRole({ role: "worker", loadConfig, stopMs: STOP_MS, start });
