import type { Bucket } from "../kv/bucket";

/** The report of an owner about its partition; further fields (positions, counts) are kept unchanged. */
export interface PartitionReport {
  /** nodeId. */
  owner: string;
  boot: string;
  epoch: number;
}

/** A report with its role and partition. */
export type PostedPartition = PartitionReport & { role: string; partition: number } & Record<string, unknown>;

/** A notice board that shows people and tools the owners of partitions. It may be old or wrong, and is never a fence. */
export class PartitionBoard {
  /** @internal */
  constructor(private readonly bucket: Bucket) {}

  /** Replaces the report of a partition. @throws Error when NATS does not answer */
  async put(role: string, partition: number, report: PartitionReport): Promise<void> {
    const value = JSON.stringify(report);
    await this.bucket.put(`${role}.${partition}`, value).catch(async () => {
      // The bucket may be gone; if NATS failed, this throws as well.
      await this.bucket.ensure();
      await this.bucket.put(`${role}.${partition}`, value);
    });
  }

  /** All reports, by role and number. @throws Error when NATS does not answer */
  async all(): Promise<PostedPartition[]> {
    const { entries } = await this.bucket.list();
    return entries
      .filter(({ ended }) => ended === undefined)
      .map(({ key, value }) => {
        const dot = key.lastIndexOf(".");
        const report = JSON.parse(value) as PartitionReport;
        return { ...report, role: key.slice(0, dot), partition: Number(key.slice(dot + 1)) };
      })
      .sort((a, b) => (a.role === b.role ? a.partition - b.partition : a.role < b.role ? -1 : 1));
  }
}
