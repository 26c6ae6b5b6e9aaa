// Each Node process of a measured cluster loads this file, and no other process does. Once a second it writes how long the
// process has collected garbage, in ms, into a file with the pid as its name. It overwrites the file in place, so that a
// reader always finds a number.
const { PerformanceObserver } = require("node:perf_hooks");
const { openSync, write } = require("node:fs");
const path = require("node:path");

const WRITE_MS = 1_000;
const WIDTH = 20;

if (process.env.BENCH_GC_FOLDER !== undefined) {
  const file = openSync(path.join(process.env.BENCH_GC_FOLDER, String(process.pid)), "w");
  let total = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) total += duration;
  }).observe({ entryTypes: ["gc"] });
  setInterval(() => write(file, total.toFixed(3).padEnd(WIDTH), 0, () => {}), WRITE_MS).unref();
}
