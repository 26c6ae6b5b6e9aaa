// Each Node process of a run with --profile loads this file, and no other process does. It starts V8's sampling profiler at
// the first instant, because the profiler stops a busy process for seconds when it begins. On SIGWINCH, which no process of
// ours uses, it writes the samples of the measured time; the file measured.json of the folder has that time in ms since 1970.
const { Session } = require("node:inspector");
const { readFileSync, renameSync, writeFileSync } = require("node:fs");
const path = require("node:path");

const SAMPLE_US = 1_000;
const folder = process.env.BENCH_PROFILE_FOLDER;

if (folder !== undefined) {
  const session = new Session();
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.setSamplingInterval", { interval: SAMPLE_US });
  session.post("Profiler.start");
  const startedAt = Date.now();
  process.once("SIGWINCH", () => {
    session.post("Profiler.stop", (error, result) => {
      if (error !== null) return;
      const file = path.join(folder, `${process.pid}.cpuprofile`);
      const { from, to } = JSON.parse(readFileSync(path.join(folder, "measured.json"), "utf8"));
      writeFileSync(`${file}.part`, JSON.stringify(cut(result.profile, from - startedAt, to - startedAt)));
      renameSync(`${file}.part`, file);
    });
  });
}

/** Returns the samples from one instant to another, in ms since the profile began. */
function cut(profile, from, to) {
  const samples = [];
  const timeDeltas = [];
  let us = 0;
  profile.samples.forEach((node, index) => {
    us += profile.timeDeltas[index];
    if (us < from * 1_000 || us > to * 1_000) return;
    samples.push(node);
    timeDeltas.push(profile.timeDeltas[index]);
  });
  return { ...profile, samples, timeDeltas };
}
