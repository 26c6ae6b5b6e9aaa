import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export { Counter, Gauge, Histogram, Registry };

/** A registry of Prometheus metrics with the usual ones of the process; every metric carries role and node. */
export function createMetrics(role: string, nodeId: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ role, node: nodeId });
  collectDefaultMetrics({ register: registry });
  return registry;
}
