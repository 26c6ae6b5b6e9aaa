import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { identifyProcess, isAlive, type ProcessIdentity } from "@carillon/base/process-lock";
import {
  type ClusterInfo,
  findFreePortBlock,
  findSupervisor,
  ProcessGuard,
  readClusterInfo,
  stopCluster,
} from "@carillon/local";
import { until } from "@carillon/testkit";
import { waitUntilGone } from "../src/processes/identity";

const FIXTURE = path.join(__dirname, "fixtures", "supervise.ts");
const guard = new ProcessGuard();
let directory: string;
let basePort: number;

beforeEach(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "carillon-supervisor-"));
  basePort = await findFreePortBlock(50);
});
afterEach(async () => {
  await stopCluster(directory, () => {});
  rmSync(directory, { recursive: true, force: true });
});
afterAll(() => guard.release());

interface Supervisor {
  child: ChildProcess;
  output: () => string;
  exit: Promise<number | string | null>;
}

function supervise(): Supervisor {
  const child = spawn(process.execPath, ["--import", "tsx", FIXTURE, directory, String(basePort)], {
    cwd: path.join(__dirname, "..", "..", ".."),
    stdio: ["ignore", "pipe", "pipe"],
  });
  guard.watch(identifyProcess(child.pid!)!);
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  const exit = new Promise<number | string | null>((resolve) =>
    child.once("close", (code, signal) => resolve(signal ?? code)),
  );
  return { child, output: () => output, exit };
}

async function ready(supervisor: Supervisor): Promise<ClusterInfo> {
  let ended = false;
  void supervisor.exit.then(() => {
    ended = true;
  });
  await until("the cluster is ready", () => ended || /^ready$/m.test(supervisor.output()));
  if (!/^ready$/m.test(supervisor.output())) {
    throw new Error(supervisor.output());
  }
  return readClusterInfo(directory)!;
}

function identities(info: ClusterInfo): { ours: ProcessIdentity[]; stores: ProcessIdentity[] } {
  const identify = (pid?: number) => identifyProcess(pid!)!;
  return {
    ours: [...info.gateways, ...info.workers, ...info.archivers, ...info.apis].map(({ pid }) => identify(pid)),
    stores: [info.nats[0]!.pid, info.redis.pid, info.mysql.pid].map(identify),
  };
}

function followed(info: ClusterInfo): ProcessIdentity[] {
  const { ours, stores } = identities(info);
  for (const identity of [...ours, ...stores]) {
    guard.watch(identity);
  }
  return [...ours, ...stores];
}

test("starts all, restarts what dies, and leaves nothing", async () => {
  const supervisor = supervise();
  const info = await ready(supervisor);
  const first = followed(info);
  expect(info).toMatchObject({
    api: `http://127.0.0.1:${basePort}`,
    gateways: [
      { nodeId: "gateway-1", ws: `ws://127.0.0.1:${basePort + 10}`, tcp: `127.0.0.1:${basePort + 11}` },
      { nodeId: "gateway-2", ws: `ws://127.0.0.1:${basePort + 12}`, tcp: `127.0.0.1:${basePort + 13}` },
    ],
    workers: [{ nodeId: "worker-1" }],
    archivers: [],
    apis: [{ nodeId: "api-1" }],
  });
  expect(readFileSync(path.join(directory, "init-calls"), "utf8")).toBe("init --partitions 1\n");
  const settings = JSON.parse(readFileSync(path.join(directory, "carillon.json"), "utf8"));
  expect(settings).toMatchObject({
    nats: { servers: [`nats://127.0.0.1:${basePort + 40}`], monitor: `http://127.0.0.1:${basePort + 41}` },
    redis: { url: info.redis.url },
    mysql: { url: info.mysql.url },
  });

  process.kill(info.workers[0]!.pid, "SIGKILL");
  process.kill(info.redis.pid!, "SIGKILL");
  const after = await until("cluster.json names the new processes", () => {
    const now = readClusterInfo(directory)!;
    const changed = now.workers[0]?.pid !== info.workers[0]!.pid && now.redis.pid !== info.redis.pid;
    return changed && now.workers.length === 1 && now.redis.pid !== undefined && now;
  });
  const second = followed(after);
  expect(supervisor.output()).toMatch(/worker-1 died \(SIGKILL\)/);
  await until("both are said to run again", () =>
    ["worker-1", "redis"].every((name) => supervisor.output().includes(`${name} runs again`)),
  );

  supervisor.child.kill("SIGINT");
  supervisor.child.kill("SIGINT");
  expect(await supervisor.exit).toBe(0);
  expect([...first, ...second].filter(isAlive)).toEqual([]);
  expect(existsSync(path.join(directory, "cluster.json"))).toBe(false);
  expect(existsSync(path.join(directory, "run"))).toBe(false);
  const log = readFileSync(path.join(directory, "logs", "carillon.log"), "utf8")
    .trimEnd()
    .split("\n");
  expect(log.map((line) => JSON.parse(line).msg)).toEqual(
    expect.arrayContaining(["fixture is ready", "a line that is not JSON", "stopped"]),
  );
  const own = log.map((line) => JSON.parse(line).own).filter(Boolean);
  expect(new Set(own)).toEqual(
    new Set(["gateway-1", "gateway-2", "worker-1", "api-1"].map((nodeId) => `${nodeId} ${basePort + 42}`)),
  );
  expect(readdirSync(path.join(directory, "logs")).sort()).toEqual([
    "carillon.log",
    "mysql.log",
    "nats.log",
    "redis.log",
  ]);
}, 240_000);

test("a second start says that one runs and harms nothing; stop ends it from outside", async () => {
  const supervisor = supervise();
  const all = followed(await ready(supervisor));
  const second = supervise();
  expect(await second.exit).toBe(1);
  expect(second.output()).toContain("AlreadyRunningError");
  expect(second.output()).toContain(String(supervisor.child.pid));
  expect(all.every(isAlive)).toBe(true);
  expect(findSupervisor(directory)).toMatchObject({ ready: true, identity: { pid: supervisor.child.pid } });
  expect(await stopCluster(directory, () => {})).toBe(true);
  expect(all.filter(isAlive)).toEqual([]);
  expect(await stopCluster(directory, () => {})).toBe(false);
}, 240_000);

test("a supervisor killed with -9 takes our processes along; the next start deals with the stores", async () => {
  const supervisor = supervise();
  const info = await ready(supervisor);
  const former = followed(info);
  const { ours, stores } = identities(info);
  // A process that cannot act any more has to go as well.
  process.kill(info.workers[0]!.pid, "SIGSTOP");
  supervisor.child.kill("SIGKILL");
  await supervisor.exit;
  for (const identity of ours) {
    expect(await waitUntilGone(identity, 50_000)).toBe(true);
  }
  expect(stores.every(isAlive)).toBe(true);
  const next = supervise();
  const now = followed(await ready(next));
  expect(former.filter(isAlive)).toEqual([]);
  next.child.kill("SIGKILL");
  await next.exit;
  expect(await stopCluster(directory, () => {})).toBe(true);
  expect(now.filter(isAlive)).toEqual([]);
}, 240_000);

test("a port in use is named with its owner, and nothing is left running", async () => {
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(basePort + 11, "127.0.0.1", resolve));
  const supervisor = supervise();
  expect(await supervisor.exit).toBe(1);
  expect(supervisor.output()).toContain(`port ${basePort + 11} is in use by pid ${process.pid}`);
  expect(findSupervisor(directory)).toBeUndefined();
  expect(await stopCluster(directory, () => {})).toBe(false);
  await new Promise((resolve) => squatter.close(resolve));
}, 240_000);

test("a start that is cut off leaves nothing", async () => {
  const supervisor = supervise();
  await until("a server was started", () => existsSync(path.join(directory, "run")));
  const records = () => readdirSync(path.join(directory, "run")).filter((name) => name.endsWith(".json"));
  const started = (await until("it is on record", () => records().length > 0 && records())).map(
    (name) => JSON.parse(readFileSync(path.join(directory, "run", name), "utf8")) as ProcessIdentity,
  );
  supervisor.child.kill("SIGTERM");
  expect(await supervisor.exit).toBe(1);
  expect(started.filter(isAlive)).toEqual([]);
  expect(await stopCluster(directory, () => {})).toBe(false);
}, 240_000);
