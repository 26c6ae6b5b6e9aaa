/**
 * The partitions of a worker, wired: who owned each before, who takes it over, who is asked for it. The simulation uses
 * this as well, so that a mix-up of partitions is seen there.
 */
import { askOwner, readLastRecord } from "@carillon/bus";
import type { WorkerPorts } from "../ports";
import { PartitionOwner } from "./owner";
import { Ownership } from "./ownership";

export function newOwnership(ports: WorkerPorts): Ownership {
  const { bus, nodeId, boot } = ports;
  const context = { ...ports, handOver: (partition: number) => ownership.handOver(partition) };
  const ownership: Ownership = new Ownership(ports, {
    askRelease: (partition) => askOwner(bus, partition, { ask: "hand-over" }).then(() => {}),
    formerOwner: async (partition) => {
      const record = await readLastRecord(bus, partition);
      if (record === undefined) return undefined;
      const { seq, header, body, storedAt } = record;
      return { boot: header.boot, released: body.kind === "release", seq, ageMs: bus.clock.now() - storedAt };
    },
    foldEarly: (partition) => PartitionOwner.foldEarly(context, partition),
    take: (partition, early, onLost) => PartitionOwner.take(context, partition, early, onLost),
    report: (partition, trouble) => {
      const report = { owner: nodeId, boot, epoch: 0, trouble };
      ports.post(partition, report).catch(() => {});
    },
  });
  return ownership;
}
