/** Opens the connections of an api, starts it, and stops it in good order. */
import { ROLES } from "@carillon/base";
import { followSecrets, type Logger, type RunningProcess, runRole } from "@carillon/base/node";
import { ClusterNode } from "@carillon/bus";
import { checkSchemaIfReachable, MysqlStore, RedisStore } from "@carillon/store";
import { Api } from "./api";
import { type ApiConfig, loadConfig } from "./config";

const ROLE = "api";
const STOP_MS = 9_000;

async function start(config: ApiConfig, logger: Logger): Promise<RunningProcess> {
  const node = await ClusterNode.open(ROLE, config, logger);
  const [redis, mysql] = await Promise.all([
    RedisStore.connect(config.redis, logger),
    MysqlStore.connect(config.mysql, logger),
    checkSchemaIfReachable(config.mysql, logger),
  ]);
  const { bus, boot, partitions, coordination } = node;
  const api = new Api({ config, bus, boot, partitions, redis, mysql, coordination });
  const nodes = (role: string) => coordination.view.nodes(role);
  const onView = () => api.setNodes({ gateways: nodes("gateway"), workers: nodes(ROLES.worker), apis: nodes(ROLE) });
  coordination.onChange(onView);
  onView();
  const secretsFile = followSecrets(config.secrets, logger);
  const http = await api.start();
  await node.join({ http });
  node.control({ load: () => ({}), unlock: (userId) => api.unlock(userId) });

  const stop = async () => {
    await node.leave();
    await api.stop();
    secretsFile?.stop();
    await Promise.all([redis.close(), mysql.close()]);
    await bus.close();
  };
  return { addresses: { http }, stop };
}

void runRole({ role: ROLE, loadConfig, stopMs: STOP_MS, start });
