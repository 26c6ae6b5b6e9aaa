import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { caughtErrors } from "../boundary";
import { buildVersion } from "./version";

export { Counter, Gauge, Histogram, Registry };

/** Creates a registry of Prometheus metrics with the usual metrics of a process; every metric carries role and node. */
export function createMetrics(role: string, nodeId: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ role, node: nodeId });
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "carillon_build_info",
    help: "1; the label says which build this is",
    labelNames: ["version"],
    registers: [registry],
  }).set({ version: buildVersion() }, 1);
  new Counter({
    name: "carillon_caught_errors_total",
    help: "Errors that ended one connection or one piece of work, and nothing else",
    labelNames: ["place"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [place, count] of caughtErrors()) this.inc({ place }, count);
    },
  });
  return registry;
}
