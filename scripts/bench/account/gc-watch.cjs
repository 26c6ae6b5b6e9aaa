// Loaded into each Node process of a measured cluster, and into none otherwise: how long it has collected garbage, in ms,
// in a file under the name of its pid, once a second.
const { PerformanceObserver } = require("node:perf_hooks");
const { writeFile } = require("node:fs");
const path = require("node:path");

const WRITE_MS = 1_000;

if (process.env.BENCH_GC_FOLDER !== undefined) {
  const file = path.join(process.env.BENCH_GC_FOLDER, String(process.pid));
  let total = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) total += duration;
  }).observe({ entryTypes: ["gc"] });
  setInterval(() => writeFile(file, String(total), () => {}), WRITE_MS).unref();
}
