/** Shows where the Node processes of a run spend their CPU: the bench starts them with V8's profiler, which costs some of it. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { sleep } from "@carillon/base";
import { type CpuProfile, type ProfileSummary, summariseProfiles } from "../report/profile";

const PATIENCE_MS = 20_000;

/** The file that Node processes load so that they profile themselves. */
export const PROFILE_WATCH = path.join(__dirname, "profile-watch.cjs");

/** Creates the folder, and returns the environment that names it to the processes. */
export function profileEnvironment(folder: string): Record<string, string> {
  mkdirSync(folder, { recursive: true });
  return { BENCH_PROFILE_FOLDER: folder };
}

export interface ProfileRequest {
  /** The measured time, ms since 1970. */
  from: number;
  to: number;
  /** The folder that keeps the profiles, and the beginning of their names. */
  into: string;
  name: string;
}

/**
 * Ends the profiles that the processes write into `folder`, keeps the samples of the measured time, and returns the shares of
 * the functions by kind of process. It leaves out a process that does not answer in time.
 */
export async function keepProfiles(
  folder: string,
  processes: Map<string, number[]>,
  { from, to, into, name }: ProfileRequest,
): Promise<Record<string, ProfileSummary>> {
  writeFileSync(path.join(folder, "measured.json"), JSON.stringify({ from, to }));
  const fileOf = (pid: number) => path.join(folder, `${pid}.cpuprofile`);
  const pids = [...processes.values()].flat().filter(isProfiled);
  for (const pid of pids) process.kill(pid, "SIGWINCH");
  const deadline = Date.now() + PATIENCE_MS;
  while (!pids.every((pid) => existsSync(fileOf(pid))) && Date.now() < deadline) await sleep(100);
  mkdirSync(into, { recursive: true });
  const summaries: Record<string, ProfileSummary> = {};
  for (const [kind, of] of processes) {
    const written = of.filter((pid) => existsSync(fileOf(pid)));
    for (const pid of written) copyFileSync(fileOf(pid), path.join(into, `${name}-${kind}-${pid}.cpuprofile`));
    const read = written.map((pid) => JSON.parse(readFileSync(fileOf(pid), "utf8")) as CpuProfile);
    if (read.length > 0) summaries[kind] = summariseProfiles(read);
  }
  return summaries;
}

/** NATS, Redis and MariaDB are not Node, and a peer's processes do not load the watch: the signal means nothing to them. */
function isProfiled(pid: number): boolean {
  return readFileSync(`/proc/${pid}/environ`, "latin1").includes("\0BENCH_PROFILE_FOLDER=") && isNode(pid);
}

function isNode(pid: number): boolean {
  return path.basename(readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0")[0]!) === "node";
}
