/** `carillon partitions`: shows owner, queue, log and archive of each partition. */

import { listPartitions, type PartitionRow } from "@carillon/operations";
import type { Command } from "commander";
import { withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import { print, tableOf } from "../output/print";

const HEAD = [
  ...["partition", "owner", "epoch", "queue", "parked", "log records", "log KiB"],
  ...["delivery behind", "archiver", "archive lag"],
];

export function partitionsCommand(): Command {
  return clusterCommand(
    "partitions",
    "show owner, queue, log, and the lag of delivery and archive of each partition",
  ).action(async ({ data, json }: CommonOptions) => {
    const partitions = await withCluster(data, listPartitions);
    print({ partitions }, json, (document) => tableOf(HEAD, document.partitions.map(cells)));
  });
}

function cells(row: PartitionRow) {
  const owner = row.owner !== null && !row.answers ? `${row.owner} (silent)` : row.owner;
  const kib = Math.ceil(row.logBytes / 1_024);
  const behind =
    row.deliveryLagMs === null ? null : `${row.deliveryLagMs} ms${row.deliveryStalled ? " (stalled)" : ""}`;
  const { partition, epoch, queueLength, parked, logLength, archiver, archiveLag } = row;
  return [partition, owner, epoch, queueLength, parked, logLength, kib, behind, archiver, archiveLag];
}
