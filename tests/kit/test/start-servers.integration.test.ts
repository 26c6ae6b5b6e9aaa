import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { startServers, until } from "@carillon/testkit";

/** Whether a process lives and is not a zombie. */
function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(execFileSync("cat", [`/proc/${pid}/stat`], { stdio: "pipe" }).toString());
  } catch {
    return false;
  }
}

test("starts the three servers on free ports and leaves nothing behind", async () => {
  const servers = await startServers({ nats: true, redis: true, mysql: true });
  const pids = [servers.nats.pid!, servers.redis.pid!, servers.mysql.pid!];
  expect(pids.every(lives)).toBe(true);
  expect(new URL(servers.nats.url).username).toBe("carillon");
  expect(existsSync(servers.directory)).toBe(true);
  await servers.stop();
  expect(pids.some(lives)).toBe(false);
  expect(existsSync(servers.directory)).toBe(false);
}, 180_000);

test("servers die with a test process that is killed", async () => {
  const script = `
    const { startServers } = require(${JSON.stringify(path.join(__dirname, "../src/servers/start-servers.ts"))});
    startServers({ redis: true }).then((s) => console.log(JSON.stringify([s.redis.pid, s.directory])));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--import", "tsx", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<Buffer>((resolve) => child.stdout.once("data", resolve));
  const [pid, directory] = JSON.parse(line.toString()) as [number, string];
  expect(lives(pid)).toBe(true);
  child.kill("SIGKILL");
  await until("the server is gone", () => !lives(pid));
  await until("its data is gone", () => !existsSync(directory));
}, 120_000);
