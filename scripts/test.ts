import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { commandLine } from "@carillon/base/command-line";
import { provisionServer, type ServerName } from "@carillon/local";
import { provideChromium } from "../tests/browser/chromium";
import { provideBalancer } from "../tests/kit/src/servers/balancer-programs";

/**
 * `npm test` runs every check and every test, whether a cluster runs or not. The last line is `N passed, N failed`: each
 * test counts as one, and so does each check.
 */
const root = path.dirname(__dirname);
const packages = path.join(root, "node_modules");
const total = { passed: 0, failed: 0 };
const startedAt = performance.now();

interface Check {
  name: string;
  args: string[];
  /** Without this file the step is skipped. */
  needs?: string;
}

const CHECKS: Check[] = [
  { name: "types", args: [path.join(packages, "typescript/bin/tsc"), "-b"] },
  { name: "lint", args: [path.join(packages, "@biomejs/biome/bin/biome"), "check"] },
  { name: "tidy", args: ["--import", "tsx", "scripts/tidy.ts"], needs: "scripts/tidy.ts" },
  { name: "dead-code", args: [path.join(packages, "knip/bin/knip.js"), "--no-progress"] },
  {
    name: "imports",
    args: [
      path.join(packages, "dependency-cruiser/bin/dependency-cruise.mjs"),
      ...["--config", ".dependency-cruiser.cjs", "apps", "libs", "infra", "scripts", "bench", "tests"],
    ],
    needs: ".dependency-cruiser.cjs",
  },
];

/** Long checks without servers: the worker's code under simulated failures, and the search for planted bugs. */
const SIMULATIONS: Check[] = [
  { name: "simulation", args: ["--import", "tsx", "tests/simulation/main.ts", "--seeds", "2000"] },
  { name: "mutants", args: ["--import", "tsx", "tests/mutants/run.ts", "--few"] },
];

const SUITES = ["unit", "integration", "journeys"];

interface StepResult {
  passed: number;
  failed: number;
  /** Shown when something failed. */
  output: string;
}

async function main(): Promise<number> {
  const { only, pattern } = readArguments();
  const wanted = (name: string) => only === undefined || only.includes(name);
  for (const check of CHECKS.filter(({ name, needs }) => wanted(name) && existsSync(path.join(root, needs ?? "")))) {
    await step(check.name, () => runCheck(check));
  }
  if (wanted("unit")) {
    await step("unit", () => runSuite("unit", pattern));
  }
  for (const check of SIMULATIONS.filter(({ name }) => wanted(name))) await step(check.name, () => runCheck(check));
  const withServers = SUITES.slice(1).filter(wanted);
  if (withServers.length > 0 && (await step("servers", provideServers))) {
    for (const name of withServers) {
      await step(name, () => runSuite(name, pattern));
    }
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 ? 1 : 0;
}

function readArguments(): { only: string[] | undefined; pattern: string | undefined } {
  const known = [...CHECKS.map(({ name }) => name), "unit", ...SIMULATIONS.map(({ name }) => name), ...SUITES.slice(1)];
  const command = commandLine("npm test --", 'Runs every check and test; the last line is "N passed, N failed".')
    .option("--only <LIST>", `only these steps, separated by commas: ${known.join(", ")}`)
    .option("-t <PATTERN>", "only tests whose names match")
    .parse();
  const { only, t: pattern } = command.opts<{ only?: string; t?: string }>();
  const steps = only?.split(",").filter(Boolean);
  const unknown = steps?.find((name) => !known.includes(name));
  if (unknown !== undefined) command.error(`no step ${unknown}`);
  return { only: steps, pattern };
}

/** Runs one step, prints its result, and shows its output when something failed. */
async function step(name: string, work: () => Promise<StepResult>): Promise<boolean> {
  console.log(`${name} ...`);
  const before = performance.now();
  const { passed, failed, output } = await work();
  const seconds = ((performance.now() - before) / 1000).toFixed(1);
  total.passed += passed;
  total.failed += failed;
  if (failed > 0) {
    console.log(output.trimEnd());
  }
  const sinceStart = ((performance.now() - startedAt) / 1000).toFixed(0);
  console.log(`${name}: ${passed} passed, ${failed} failed (${seconds} s, ${sinceStart} s since the start)`);
  return failed === 0;
}

async function runCheck(check: Check): Promise<StepResult> {
  const { ok, output } = await run(check.args);
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, output };
}

async function provideServers(): Promise<StepResult> {
  try {
    for (const name of ["nats", "redis", "mariadb"] satisfies ServerName[]) {
      const { server, version } = await provisionServer(name, { onProgress: (line) => console.log(`  ${line}`) });
      console.log(`  ${path.basename(server)} ${version}`);
    }
    await provideChromium((line) => console.log(`  ${line}`)).catch((error: Error) => {
      console.log(`  NO CHROMIUM: the tests in a browser are skipped: ${error.message}`);
    });
    for (const name of ["nginx", "haproxy"] as const) {
      await provideBalancer(name, (line) => console.log(`  ${line}`)).catch((error: Error) => {
        console.log(`  NO ${name.toUpperCase()}: the tests behind it are skipped: ${error.message}`);
      });
    }
    return { passed: 1, failed: 0, output: "" };
  } catch (error) {
    return { passed: 0, failed: 1, output: (error as Error).message };
  }
}

/** Runs one jest project and reads the counts from its JSON report. A file that could not be loaded counts as one failure. */
async function runSuite(name: string, pattern: string | undefined): Promise<StepResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "carillon-report-"));
  const report = path.join(folder, "report.json");
  try {
    const { ok, output } = await run(
      [
        path.join(packages, "jest/bin/jest.js"),
        ...["--selectProjects", name, "--json", `--outputFile=${report}`, "--passWithNoTests"],
        // Two clusters at a time, too: journeys wait more than they compute, and pass on a busy machine.
        "--maxWorkers=2",
        // A test that failed halfway may leave a loop behind; the run must end anyway.
        ...(name === "unit" ? [] : ["--forceExit"]),
        ...(pattern === undefined ? [] : ["--testNamePattern", pattern]),
      ],
      (line) => /^(PASS|FAIL) /.test(line) && console.log(`  ${line}`),
    );
    const counts = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined;
    const passed: number = counts?.numPassedTests ?? 0;
    const failed: number = (counts?.numFailedTests ?? 0) + (counts?.numRuntimeErrorTestSuites ?? 0);
    return { passed, failed: failed === 0 && !ok ? 1 : failed, output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a Node program and collects its output; `onLine` gets each line as it arrives. */
function run(args: string[], onLine: (line: string) => void = () => {}): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, FORCE_COLOR: "0", NODE_ENV: "test" };
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    const stopChild = (signal: NodeJS.Signals) => child.kill(signal);
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    for (const signal of signals) {
      process.on(signal, stopChild);
    }
    let output = "";
    let rest = "";
    const collect = (chunk: string) => {
      output += chunk;
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      lines.forEach(onLine);
    };
    // jest writes its report for people to stderr. With --json it also writes JSON to stdout, which the report file has already.
    const jsonOnStdout = args.includes("--json");
    child.stderr.setEncoding("utf8").on("data", collect);
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => !jsonOnStdout && collect(chunk));
    child.once("close", (code, signal) => {
      for (const each of signals) {
        process.off(each, stopChild);
      }
      if (signal !== null) {
        output += `\nended by ${signal}`;
      }
      resolve({ ok: code === 0, output });
    });
  });
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error.stack);
    console.log(`${total.passed} passed, ${total.failed + 1} failed`);
    process.exit(1);
  },
);
