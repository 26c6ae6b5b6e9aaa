import type { Event } from "@carillon/protocol";
import { type FollowedRecord, RecordBuffer } from "../src/follower/record-buffer";

const event = {} as Event;
const record = (seq: number, rows: number, bytes = rows): FollowedRecord => ({
  seq,
  events: new Array<Event>(rows).fill(event),
  changes: [],
  bytes,
});

describe("the buffer between log and MySQL", () => {
  test("gives what has arrived as one batch of whole records", async () => {
    const buffer = new RecordBuffer({ rows: 100, bytes: 1_000 }, 0);
    await buffer.add(record(1, 2));
    await buffer.add(record(2, 0));
    await buffer.add(record(3, 3));
    expect(await buffer.take()).toEqual({ lastRecord: 3, events: new Array(5).fill(event), changes: [] });
  });

  test("cuts a batch at the bounds of rows and bytes", async () => {
    const buffer = new RecordBuffer({ rows: 10, bytes: 1_000 }, 0);
    await buffer.add(record(1, 6));
    await buffer.add(record(2, 6));
    expect((await buffer.take())?.lastRecord).toBe(1);
    await buffer.add(record(3, 1, 999));
    expect((await buffer.take())?.lastRecord).toBe(2);
    expect((await buffer.take())?.lastRecord).toBe(3);
  });

  test("takes a record that is larger than any batch", async () => {
    const buffer = new RecordBuffer({ rows: 10, bytes: 100 }, 0);
    await buffer.add(record(1, 50, 5_000));
    expect((await buffer.take())?.events).toHaveLength(50);
  });

  test("makes the reader wait while it is full", async () => {
    const buffer = new RecordBuffer({ rows: 10, bytes: 1_000 }, 0);
    await buffer.add(record(1, 10));
    let added = false;
    const waiting = buffer.add(record(2, 1)).then(() => {
      added = true;
    });
    await new Promise(setImmediate);
    expect(added).toBe(false);
    await buffer.take();
    await waiting;
    expect((await buffer.take())?.lastRecord).toBe(2);
  });

  test("a second batch gathers for a while, unless it is full", async () => {
    const buffer = new RecordBuffer({ rows: 10, bytes: 1_000 }, 60_000);
    await buffer.add(record(1, 1));
    expect((await buffer.take())?.lastRecord).toBe(1);
    await buffer.add(record(2, 4));
    let taken: number | undefined;
    const taking = buffer.take().then((batch) => {
      taken = batch?.lastRecord;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(taken).toBeUndefined();
    await buffer.add(record(3, 6));
    await taking;
    expect(taken).toBe(3);
  });

  test("a batch that gathers goes when its time has come", async () => {
    const buffer = new RecordBuffer({ rows: 10, bytes: 1_000 }, 50);
    await buffer.add(record(1, 1));
    await buffer.take();
    await buffer.add(record(2, 1));
    expect((await buffer.take())?.lastRecord).toBe(2);
  });

  test("closed, it lets reader and writer go", async () => {
    const buffer = new RecordBuffer({ rows: 1, bytes: 1_000 }, 0);
    const taking = buffer.take();
    buffer.close();
    expect(await taking).toBeUndefined();
    expect(await buffer.add(record(1, 1))).toBe(false);
  });
});
