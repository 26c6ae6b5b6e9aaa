/**
 * `npm run mutants -- [--few] [NAME ...]` plants one bug after the other, and checks that the tests find it. A bug that stays
 * unfound shows a hole in the tests. The simulation finds most of them, journeys find bugs in scripts of Redis, and unit tests
 * find some; bugs for unit tests are planted in the source, which such tests read.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { commandLine } from "@carillon/base/command-line";

const root = path.join(__dirname, "..", "..");
const SEEDS = 3_000;
/** The bugs that npm test plants: quick to find, and one for each kind of promise. */
const FEW = ["reuse-number", "ack-before-append", "cover-too-much", "forget-ids", "same-id-is-same-message"];

interface Mutant {
  name: string;
  what: string;
  /** Test that finds the bug; absent: the simulation. */
  by?: string;
  /** First seed of the simulation, for a bug that rarely shows; default 1. */
  from?: number;
}

function main(): number {
  const command = commandLine("npm run mutants --", "Plants bugs, and checks that the tests find them.")
    .argument("[NAME...]", "only these planted bugs")
    .option("--few", "only those that npm test plants")
    .parse();
  const { mutants } = JSON.parse(readFileSync(path.join(__dirname, "mutants.json"), "utf8")) as { mutants: Mutant[] };
  const names = command.opts<{ few?: boolean }>().few ? FEW : command.args;
  const unknown = names.find((name) => !mutants.some((mutant) => mutant.name === name));
  if (unknown !== undefined) command.error(`there is no planted bug ${unknown}`);
  const wanted = mutants.filter(({ name }) => names.length === 0 || names.includes(name));
  const missed = wanted.filter((mutant) => !isFound(mutant));
  console.log(`${wanted.length - missed.length} found, ${missed.length} not found`);
  return missed.length === 0 ? 0 : 1;
}

function isFound({ name, what, by, from = 1 }: Mutant): boolean {
  const startedAt = Date.now();
  const { status, text } = by === undefined ? simulate(name, from) : test(name, by);
  const seconds = ((Date.now() - startedAt) / 1_000).toFixed(1);
  const first = /^seed .*$/m.exec(text)?.[0] ?? /● .*$/m.exec(text)?.[0] ?? "";
  // A program that could not start has found nothing.
  const found = status === 1 && first !== "";
  console.log(`${found ? "found    " : "NOT FOUND"} ${name}: ${what} (${seconds} s)\n          ${first.slice(0, 160)}`);
  if (!found) console.log(text.slice(-1_500));
  return found;
}

function simulate(name: string, from: number) {
  const args = ["--seeds", `${SEEDS}`, "--from", `${from}`, "--stop"];
  return run([path.join(root, "tests", "simulation", "main.ts"), ...args], name, ["--import", "tsx"]);
}

function test(name: string, where: string) {
  const jest = path.join(root, "node_modules", "jest", "bin", "jest.js");
  return run([jest, "--forceExit", "--", where], name, []);
}

function run(args: string[], name: string, nodeOptions: string[]) {
  const options = ["--require", path.join(__dirname, "apply.cjs"), ...nodeOptions];
  // Processes that the program starts get the bug, too.
  const env = { ...process.env, PLANTED_BUG: name, NODE_OPTIONS: options.slice(0, 2).join(" ") };
  const result = spawnSync(process.execPath, [...nodeOptions, ...args], { cwd: root, env, encoding: "utf8" });
  return { status: result.status, text: `${result.stdout}${result.stderr}` };
}

process.exit(main());
