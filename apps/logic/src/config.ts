import { checkHost, loadSettings, nodeIdOf, type Settings } from "@carillon/base/node";

export interface LogicConfig
  extends Pick<
    Settings,
    "nats" | "redis" | "mysql" | "policy" | "groups" | "recall" | "retention" | "limits" | "logic" | "metrics" | "log"
  > {
  nodeId: string;
}

/** @throws SettingsError */
export function loadConfig(): LogicConfig {
  const settings = loadSettings();
  const { nats, redis, mysql, policy, groups, recall, retention, limits, logic, metrics, log } = settings;
  const nodeId = nodeIdOf(settings, "logic");
  checkHost("logic.host", logic.host);
  return { nodeId, nats, redis, mysql, policy, groups, recall, retention, limits, logic, metrics, log };
}
