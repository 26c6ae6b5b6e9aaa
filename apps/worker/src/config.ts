import { checkHost, loadSettings, nodeIdOf, type Settings, withAccount } from "@carillon/base/node";

export interface WorkerConfig
  extends Pick<
    Settings,
    "nats" | "redis" | "mysql" | "policy" | "groups" | "recall" | "retention" | "limits" | "worker" | "metrics" | "log"
  > {
  nodeId: string;
}

/** @throws SettingsError */
export function loadConfig(): WorkerConfig {
  const settings = loadSettings();
  const { nats, redis, mysql } = withAccount(settings, "worker");
  const { policy, groups, recall, retention, limits, worker, metrics, log } = settings;
  const nodeId = nodeIdOf(settings, "worker");
  checkHost("worker.host", worker.host);
  return { nodeId, nats, redis, mysql, policy, groups, recall, retention, limits, worker, metrics, log };
}
