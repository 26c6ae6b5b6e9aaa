import type { Bucket } from "../kv/bucket";

/** What an owner tells of its partition; more fields (positions, counts) are kept as they are. */
export interface PartitionReport {
  /** nodeId. */
  owner: string;
  boot: string;
  epoch: number;
}

/** A report with its place. */
export type PostedPartition = PartitionReport & { role: string; partition: number } & Record<string, unknown>;

/** Who owns what: a notice board for people and tools. It may be old or wrong, and is never a fence. */
export class PartitionBoard {
  /** @internal */
  constructor(private readonly bucket: Bucket) {}

  /** Replaces the report of a partition. @throws Error when NATS does not answer */
  async put(role: string, partition: number, report: PartitionReport): Promise<void> {
    const value = JSON.stringify(report);
    await this.bucket.put(`${role}.${partition}`, value).catch(async () => {
      // The bucket may be gone; if it was NATS, this throws as well.
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
