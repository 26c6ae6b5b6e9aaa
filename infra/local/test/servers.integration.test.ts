import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { identifyProcess, isAlive } from "@carillon/base/process-lock";
import { type LocalServer, ProcessGuard, startMariadb, startNats, startRedis } from "@carillon/local";
import { probeTcp } from "../src/servers/probe";

let folder: string;
let guard: ProcessGuard;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "carillon-servers-"));
  guard = new ProcessGuard();
});
afterAll(async () => {
  await guard.release();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends inline commands to Redis and resolves to the whole answer once `until` is in it. */
function askRedis(server: LocalServer, commands: string[], until: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, "127.0.0.1", () => {
      socket.write([`AUTH ${server.password}`, ...commands, ""].join("\r\n"));
    });
    let answer = "";
    socket.setTimeout(20_000, () => socket.destroy(new Error(`Redis answered only ${JSON.stringify(answer)}`)));
    socket.once("error", reject);
    socket.on("data", (chunk) => {
      answer += chunk;
      if (answer.includes(until)) {
        socket.destroy();
        resolve(answer);
      }
    });
  });
}

test("Redis keeps address and data over stop, kill and restart, and refuses strangers", async () => {
  const redis = await startRedis({ directory: path.join(folder, "redis"), guard });
  await askRedis(redis, ["SET bell 1"], "+OK\r\n+OK");
  const first = identifyProcess(redis.pid!)!;
  await redis.stop();
  expect(redis.pid).toBeUndefined();
  expect(isAlive(first)).toBe(false);
  await redis.start();
  expect(await askRedis(redis, ["GET bell"], "$1\r\n1")).toContain("1");

  const reasons: string[] = [];
  const silence = redis.onUnexpectedExit((reason) => reasons.push(reason));
  await redis.kill();
  expect(reasons).toEqual(["SIGKILL"]);
  await redis.restart();
  await redis.restart();
  silence();
  expect(reasons).toHaveLength(1);
  const settings = await askRedis(redis, ["CONFIG GET maxmemory-policy", "CONFIG GET appendfsync", "PING"], "PONG");
  expect(settings).toContain("noeviction");
  expect(settings).toContain("everysec");
  expect(await probeTcp(redis.port, "PING\r\n", (answer) => answer.includes("NOAUTH"))).toBe(true);
}, 120_000);

test("a paused server is alive and silent", async () => {
  const redis = await startRedis({ directory: path.join(folder, "paused"), guard });
  redis.pause();
  expect(await probeTcp(redis.port, "PING\r\n", () => true)).toBe(false);
  expect(redis.pid).toBeDefined();
  redis.resume();
  expect(await askRedis(redis, ["PING"], "PONG")).toContain("PONG");
  redis.pause();
  await redis.stop();
  expect(redis.pid).toBeUndefined();
}, 120_000);

test("NATS syncs always, asks for a password, and finds its streams again", async () => {
  const nats = await startNats({ directory: path.join(folder, "nats"), guard });
  const jetStream = async () => (await (await fetch(`${nats.monitor}/jsz`)).json()) as { config: object };
  expect((await jetStream()).config).toMatchObject({ sync_always: true });
  expect(await probeTcp(nats.port, "CONNECT {}\r\n", (answer) => answer.includes("Authorization"))).toBe(true);
  const pid = nats.pid;
  await nats.kill();
  await nats.start();
  expect(nats.pid).not.toBe(pid);
  expect((await jetStream()).config).toMatchObject({ sync_always: true });
  await nats.stop();
}, 120_000);

test("MariaDB starts in a directory too deep for a socket, and again after a kill", async () => {
  const directory = path.join(folder, "deep".repeat(30), "my sql");
  const mysql = await startMariadb({ directory, guard });
  const greets = () => probeTcp(mysql.port, undefined, (answer) => answer.includes("MariaDB"));
  expect(await greets()).toBe(true);
  await mysql.kill();
  expect(await greets()).toBe(false);
  await mysql.start();
  expect(await greets()).toBe(true);
  await mysql.stop();
  expect(await greets()).toBe(false);
}, 180_000);

test("a server that cannot start says why", async () => {
  const first = await startRedis({ directory: path.join(folder, "first"), guard });
  const second = startRedis({ directory: path.join(folder, "second"), port: first.port, guard });
  await expect(second).rejects.toThrow(/redis ended while starting.*in use/s);
  await first.stop();
}, 120_000);
