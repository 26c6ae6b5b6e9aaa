/** Metrics of the partitions that an archiver writes. */
import { createMetrics, Gauge, type Registry } from "@carillon/base/node";
import type { Followers } from "@carillon/bus";

export function archiverMetrics(nodeId: string, archiver: () => Followers): Registry {
  const registry = createMetrics("archiver", nodeId);
  const shown = [
    ["carillon_partitions_archived", "Partitions that this archiver writes", "partitions"],
    ["carillon_archive_lag_records", "Records that are in the logs of its partitions and not in MySQL", "lag"],
    ["carillon_archived_events", "Events written since the process began", "written"],
  ] as const;
  for (const [name, help, key] of shown) {
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        this.set(archiver().load()[key]!);
      },
    });
  }
  return registry;
}
