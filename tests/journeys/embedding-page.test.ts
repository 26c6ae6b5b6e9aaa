/**
 * Follows docs/embedding.md from top to bottom: it runs every command on a new cluster with the page's settings, and compares
 * every answer with the page. With TRANSCRIPT=1 it prints all commands and answers.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startTestCluster, type TestCluster } from "@carillon/testkit";

jest.setTimeout(300_000);

const root = path.join(__dirname, "..", "..");
const page = readFileSync(path.join(root, "docs", "embedding.md"), "utf8");
const blocksOf = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, block]) => block!);

const MARK = "@@@ step ";
const RUN_MS = 180_000;

/** Commands with their output according to the page; "" where the page shows none. */
interface Step {
  commands: string;
  expected: string;
}

/** A block of the page in steps: each ends with the answer that the page shows, the last one with the block. */
function stepsOf(block: string): Step[] {
  const steps: Step[] = [];
  let commands: string[] = [];
  let expected: string[] = [];
  const end = () => {
    if (commands.some((line) => line.trim() !== "")) {
      steps.push({ commands: commands.join("\n"), expected: expected.join("\n") });
    }
    [commands, expected] = [[], []];
  };
  for (const line of block.split("\n")) {
    if (line.startsWith("# => ")) expected.push(line.slice("# => ".length));
    else {
      if (expected.length > 0) end();
      commands.push(line);
    }
  }
  end();
  return steps;
}

/** Whether an answer is the one of the page, in which `...` stands for anything. */
function fits(expected: string, said: string): boolean {
  const parts = expected.split("...").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[\\s\\S]*")}$`).test(said);
}

let directory: string;
let cluster: TestCluster;
const [preparation, ...walk] = blocksOf("bash");

/** Runs a script in a shell, and ends the programs that the script left in the background. */
function run(script: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: directory, env: { ...process.env, ...env }, timeout: RUN_MS };
    const whole = `trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n${script}\n`;
    execFile("bash", ["-euo", "pipefail", "-c", whole], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
    });
  });
}

/** The settings of the page, as variables of all processes. */
function settings(): Record<string, string> {
  const [{ registration, auth }] = blocksOf("json").map((block) => JSON.parse(block));
  const issuers = auth.issuers.map((issuer: { publicKeyFile: string }) => ({
    ...issuer,
    publicKeyFile: path.join(directory, issuer.publicKeyFile),
  }));
  return { CARILLON_REGISTRATION: registration, CARILLON_AUTH_ISSUERS: JSON.stringify(issuers) };
}

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "carillon-embedding-"));
  // As after an installation: the command, and the SDK.
  mkdirSync(path.join(directory, "node_modules", ".bin"), { recursive: true });
  symlinkSync(path.join(root, "scripts", "carillon.mjs"), path.join(directory, "node_modules", ".bin", "carillon"));
  symlinkSync(path.join(root, "node_modules", "@carillon"), path.join(directory, "node_modules", "@carillon"));
  await run(preparation!);
  cluster = await startTestCluster({ env: settings() });
}, 300_000);
afterAll(async () => {
  await cluster?.stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

test("an answer is compared with the page word by word", () => {
  expect(fits('{"a":...} 200', '{"a":1} 200')).toBe(true);
  expect(fits('{"a":...} 200', '{"a":1} 201')).toBe(false);
  expect(fits("204", "2040")).toBe(false);
});

test("every command of docs/embedding.md answers as the page says", async () => {
  const steps = walk.flatMap(stepsOf);
  expect(steps.filter(({ expected }) => expected !== "").length).toBeGreaterThan(25);
  for (const block of blocksOf("js")) writeFileSync(path.join(directory, "app.mjs"), block);
  const script = steps.map(({ commands }, step) => `echo "${MARK}${step}"\n${commands}`).join("\n");
  const { api } = cluster.info();
  const said = await run(script, { API: api, CARILLON_DATA: cluster.running.directory });
  const answers = said.split(new RegExp(`^${MARK}\\d+\n`, "m")).slice(1);
  const exchange = steps.map((step, at) => ({ ...step, said: answers[at]!.trim() }));
  if (process.env["TRANSCRIPT"] !== undefined) {
    process.stdout.write(exchange.map((one) => `${one.commands.trim()}\n${one.said}\n`).join("\n"));
  }
  for (const { commands, expected, said: answer } of exchange) {
    if (!fits(expected, answer)) expect(`${commands}\n${answer}`).toBe(`${commands}\n${expected}`);
  }
});
