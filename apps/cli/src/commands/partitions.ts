/** `carillon partitions`: owner, queue, log and archive of each partition. */

import { listPartitions, type PartitionRow } from "@carillon/operations";
import type { Command } from "commander";
import { withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import { print, tableOf } from "../output/print";

const HEAD = ["partition", "owner", "epoch", "queue", "log records", "log KiB", "archiver", "archive lag"];

export function partitionsCommand(): Command {
  return clusterCommand("partitions", "owner, epoch, queue, log and archive lag of each partition").action(
    async ({ data, json }: CommonOptions) => {
      const partitions = await withCluster(data, listPartitions);
      print({ partitions }, json, (document) => tableOf(HEAD, document.partitions.map(cells)));
    },
  );
}

function cells(row: PartitionRow) {
  const owner = row.owner !== null && !row.answers ? `${row.owner} (silent)` : row.owner;
  const kib = Math.ceil(row.logBytes / 1_024);
  return [row.partition, owner, row.epoch, row.queueLength, row.logLength, kib, row.archiver, row.archiveLag];
}
