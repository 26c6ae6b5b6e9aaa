/** Reads a partition's log into the buffer, from where the archive stands. */
import { failPoint } from "@carillon/base/node";
import { type Bus, LogFollower, type LogRecord, readLogState } from "@carillon/bus";
import { decodeEvent } from "@carillon/protocol";
import type { ReadRecord, RecordBuffer } from "./record-buffer";

/** Log and archive do not belong together: one of them was replaced or restored. An operator has to decide. */
class LogUnfit extends Error {
  constructor(partition: number, why: string) {
    super(`the log of partition ${partition} cannot be archived: ${why}`);
    this.name = "LogUnfit";
  }
}

/**
 * @param archivedRecord sequence of the last archived record, 0 when nothing is archived
 * @throws LogUnfit when records between archive and log are missing, or the log is younger than the archive
 */
export async function checkLogFits(bus: Bus, partition: number, archivedRecord: number): Promise<void> {
  const { firstSeq, lastSeq } = await readLogState(bus, partition);
  if (archivedRecord > lastSeq) {
    throw new LogUnfit(partition, `it ends at record ${lastSeq}, the archive is at ${archivedRecord}`);
  }
  if (firstSeq > archivedRecord + 1) {
    throw new LogUnfit(partition, `it begins at record ${firstSeq}, the archive is at ${archivedRecord}`);
  }
}

export class RecordReader {
  private readonly follower: LogFollower;

  constructor(
    bus: Bus,
    private readonly partition: number,
    private readonly buffer: RecordBuffer,
  ) {
    this.follower = new LogFollower(bus, partition);
  }

  /** Reads from record `first` on until stop(). @throws Error when a record is missing or cannot be understood */
  async run(first: number): Promise<void> {
    let expected = first;
    await this.follower.run(first, async (record) => {
      if (record.seq !== expected) throw new LogUnfit(this.partition, `record ${expected} is missing`);
      expected++;
      failPoint("read.before");
      const isOpen = await this.buffer.add(toRead(record));
      failPoint("read.after");
      return isOpen;
    });
  }

  stop(): void {
    this.follower.stop();
  }
}

function toRead({ seq, body }: LogRecord): ReadRecord {
  const logged = body.kind === "events" ? body.events : [];
  const events = logged.map(({ event }) => decodeEvent(event));
  const changes = logged.flatMap(({ version }, i) => (version === undefined ? [] : [{ event: events[i]!, version }]));
  return { seq, events, changes, bytes: logged.reduce((sum, { event }) => sum + event.length, 0) };
}
