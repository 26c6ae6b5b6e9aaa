import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { FullDiskWatch } from "../src/supervisor/full-disk-watch";

test("a full disk in the log is told, then that there is room; what was in the log before is not", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "carillon-disk-"));
  const log = path.join(folder, "nats.log");
  writeFileSync(log, "write: no space left on device\n");
  const told: string[] = [];
  let healed: () => void;
  const done = new Promise<void>((resolve) => {
    healed = resolve;
  });
  const onFull = () => {
    told.push("full");
  };
  const onSpace = async () => {
    told.push("space");
    healed();
  };
  const watch = new FullDiskWatch(log, folder, { onFull, onSpace }, 5);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(told).toEqual([]);
  appendFileSync(log, "[ERR] JetStream failed to store: write data/1.blk: no space left on device\n");
  await done;
  watch.stop();
  expect(told).toEqual(["full", "space"]);
  rmSync(folder, { recursive: true });
});
