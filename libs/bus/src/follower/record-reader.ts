/** Reads a partition's log into the buffer, from the follower's position on. */
import { failPoint } from "@carillon/base/node";
import { decodeEvent } from "@carillon/protocol";
import type { Bus } from "../connection";
import type { LogRecord } from "../envelopes/log-records";
import { LogFollower, readLogState } from "../log/log-reader";
import type { FollowedRecord, RecordBuffer } from "./record-buffer";

/** The log and the follower's position do not fit: one of them was replaced or restored. An operator has to decide. */
class LogUnfollowable extends Error {
  constructor(partition: number, why: string) {
    super(`the log of partition ${partition} cannot be followed: ${why}`);
    this.name = "LogUnfollowable";
  }
}

/**
 * @param lastDone sequence of the last record that the follower has done, 0 when it has done none
 * @throws LogUnfollowable when records after it are missing, or the log ends before it
 */
export async function checkLogFits(bus: Bus, partition: number, lastDone: number): Promise<void> {
  const { firstRecord, lastRecord } = await readLogState(bus, partition);
  if (lastDone > lastRecord) {
    throw new LogUnfollowable(partition, `it ends at record ${lastRecord}, the follower is at ${lastDone}`);
  }
  if (firstRecord > lastDone + 1) {
    throw new LogUnfollowable(partition, `it begins at record ${firstRecord}, the follower is at ${lastDone}`);
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
      if (record.seq !== expected) throw new LogUnfollowable(this.partition, `record ${expected} is missing`);
      expected++;
      failPoint("read.before");
      const isOpen = await this.buffer.add(toFollowed(record));
      failPoint("read.after");
      return isOpen;
    });
  }

  stop(): void {
    this.follower.stop();
  }
}

function toFollowed({ seq, body }: LogRecord): FollowedRecord {
  const logged = body.kind === "events" ? body.events : [];
  const events = logged.map(({ event }) => decodeEvent(event));
  const changes = logged.flatMap(({ version }, i) => (version === undefined ? [] : [{ event: events[i]!, version }]));
  return { seq, events, changes, bytes: logged.reduce((sum, { event }) => sum + event.length, 0) };
}
