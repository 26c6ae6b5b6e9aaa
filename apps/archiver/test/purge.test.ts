import { endOfRecord, positionOf } from "@carillon/bus";
import { firstToKeep } from "../src/purge/purge";

describe("what a purge keeps", () => {
  const all = { archived: endOfRecord(90), fanout: endOfRecord(80), youngest: 70, lastRecord: 100 };

  test.each([
    ["the replay window", all, 70],
    ["the record that the fan-out has reached", { ...all, youngest: 95 }, 80],
    ["a record that is fanned out in part", { ...all, youngest: 95, fanout: positionOf(60, 3) }, 60],
    ["what is not archived", { ...all, youngest: 101, fanout: endOfRecord(100), archived: endOfRecord(50) }, 51],
    ["the last record", { ...all, youngest: 101, fanout: endOfRecord(200), archived: endOfRecord(100) }, 100],
    ["everything before the first archived record", { ...all, archived: -1 }, 0],
    ["everything before the first fan-out", { ...all, fanout: -1 }, -1],
  ])("%s", (_, facts, first) => {
    expect(firstToKeep(facts)).toBe(first);
  });
});
