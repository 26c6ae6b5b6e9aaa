/** Kills a writing process many times, at random moments. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openFileStorage } from "../src/node/file-storage";

const ROUNDS = 25;

let folder: string;
const children: ChildProcess[] = [];
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "carillon-killed-"));
});
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a writer. @returns its lines as they arrive, and a promise of its end */
function writer(round: number) {
  const child = fork(path.join(__dirname, "fixtures/writer-process.ts"), [folder, `${round}`], {
    execArgv: ["--import", require.resolve("tsx")],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  children.push(child);
  let output = "";
  let errors = "";
  child.stdout!.on("data", (chunk: Buffer) => {
    output += chunk;
  });
  child.stderr!.on("data", (chunk: Buffer) => {
    errors += chunk;
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const lines = () => output.split("\n").slice(0, -1);
  return { child, ended, lines, errors: () => errors };
}

/** Compares the output of the process with the content of the folder. */
async function check(kept: Map<string, { round: number; number: number }>, gone: Set<string>): Promise<void> {
  const storage = await openFileStorage(folder);
  for (const [key, since] of kept) {
    const value = JSON.parse((await storage.get(key)) ?? "{}") as { round: string; number: number; key: string };
    expect(value.key).toBe(key);
    // The process may have stored a later value without printing it, but an earlier value must not return.
    const isLater =
      Number(value.round) > since.round || (Number(value.round) === since.round && value.number >= since.number);
    if (!isLater)
      throw new Error(`${key} is of ${value.round}/${value.number}, kept was ${since.round}/${since.number}`);
  }
  const left = (await storage.keys()).filter((key) => gone.has(key));
  expect(left).toEqual([]);
  await storage.close();
}

test("a value whose `set` resolved is there after every kill, whole, and no older value returns", async () => {
  const kept = new Map<string, { round: number; number: number }>();
  const gone = new Set<string>();
  let [total, largest] = [0, 0];
  for (let round = 1; round <= ROUNDS; round++) {
    const { child, ended, lines, errors } = writer(round);
    const enough = 1 + ((round * 37) % 200);
    while (lines().length < enough && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(errors()).toBe("");
    // The kill hits one of the next writes, or a compaction.
    await new Promise((resolve) => setTimeout(resolve, (round * 13) % 29));
    child.kill("SIGKILL");
    await ended;
    for (const line of lines()) {
      const [key, number] = JSON.parse(line) as [string, number | null];
      if (number === null) gone.add(key);
      else kept.set(key, { round, number });
      total++;
    }
    largest = Math.max(largest, statSync(path.join(folder, "values.log")).size);
    await check(kept, gone);
  }
  expect(total).toBeGreaterThan(ROUNDS * 50);
  expect(gone.size).toBeGreaterThan(ROUNDS);
  // The log was compacted on the way, otherwise it would have megabytes.
  expect(largest).toBeLessThan(2_000_000);
});

test("a second process learns which process has the folder, and gets it after that one was killed", async () => {
  const first = writer(1);
  while (first.lines().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await expect(openFileStorage(folder)).rejects.toThrow(`in use by process ${first.child.pid}`);
  const second = writer(2);
  await second.ended;
  expect([second.child.exitCode, second.errors()]).toEqual([1, expect.stringContaining(`${first.child.pid}`)]);
  first.child.kill("SIGKILL");
  await first.ended;
  await (await openFileStorage(folder)).close();
});
