import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { identifyProcess, isAlive, readHolder, tryLock, unlock } from "@carillon/base/process-lock";
import { isPortFree } from "../src/processes/free-port";
import { ProcessGuard } from "../src/processes/guard";
import { endProcess, signalProcess, waitUntilGone } from "../src/processes/identity";
import { LogFile, lineSplitter } from "../src/processes/log-file";
import { findPortOwner } from "../src/processes/port-owner";
import { asJsonLine } from "../src/supervisor/app-process";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "carillon-processes-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function sleeper(script = "setInterval(() => {}, 1000)") {
  return identifyProcess(spawn(process.execPath, ["-e", script], { stdio: "ignore" }).pid!)!;
}

describe("a process by pid and start time", () => {
  test("another process under the same pid is not it", () => {
    const self = identifyProcess(process.pid)!;
    expect(isAlive(self)).toBe(true);
    const former = { ...self, startTime: String(Number(self.startTime) - 1) };
    expect(isAlive(former)).toBe(false);
    expect(signalProcess(former, "SIGKILL")).toBe(false);
  });

  test("is ended even when it is paused or does not want to", async () => {
    const paused = sleeper();
    signalProcess(paused, "SIGSTOP");
    expect(await endProcess(paused, 20_000)).toBe("ended");
    const stubborn = spawn("/bin/sh", ["-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]);
    await new Promise((resolve) => stubborn.stdout.once("data", resolve));
    const identity = identifyProcess(stubborn.pid!)!;
    expect(await endProcess(identity, 100)).toBe("killed");
    expect(isAlive(identity)).toBe(false);
    expect(await endProcess(identity, 100)).toBe("gone");
  });

  test("dies when its guard is released; strangers do not", async () => {
    const [watched, stranger] = [sleeper(), sleeper()];
    const guard = new ProcessGuard();
    guard.watch(watched);
    guard.watch({ pid: stranger.pid, startTime: "1" });
    await guard.release();
    expect(await waitUntilGone(watched, 20_000)).toBe(true);
    expect(isAlive(stranger)).toBe(true);
    await endProcess(stranger, 0, "SIGKILL");
  });
});

describe("a lock file", () => {
  test("is held by one living process", async () => {
    const file = path.join(folder, "lock");
    expect(await tryLock(file)).toBeUndefined();
    expect(await tryLock(file)).toEqual(identifyProcess(process.pid));
    await unlock(file);
    expect(readHolder(file)).toBeUndefined();
  });

  test("of a dead process, or torn, is taken over", async () => {
    const file = path.join(folder, "lock");
    writeFileSync(file, JSON.stringify({ pid: process.pid, startTime: "1" }));
    expect(await tryLock(file)).toBeUndefined();
    await unlock(file);
    writeFileSync(file, '{"pid":');
    expect(await tryLock(file)).toBeUndefined();
  });
});

test("a port in use names its owner", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  expect(await isPortFree(port)).toBe(false);
  expect(findPortOwner(port)).toMatchObject({ pid: process.pid, command: expect.stringContaining("node") });
  await new Promise((resolve) => server.close(resolve));
  expect(await isPortFree(port)).toBe(true);
  expect(findPortOwner(port)).toBeUndefined();
});

describe("the common log", () => {
  test("is moved aside when it has grown, and three are kept", () => {
    const file = path.join(folder, "x.log");
    const log = new LogFile(file, 10, 3);
    for (const line of ["first line", "second line", "third line", "fourth line"]) {
      log.write(line);
    }
    log.close();
    const contents = [file, `${file}.1`, `${file}.2`].map((each) => readFileSync(each, "utf8"));
    expect(contents).toEqual(["fourth line\n", "third line\n", "second line\n"]);
  });

  test("goes on in a new file when somebody has moved it aside", () => {
    const file = path.join(folder, "logs", "x.log");
    const log = new LogFile(file);
    log.write("before");
    renameSync(file, `${file}.old`);
    log.write("still there");
    log.reopen();
    log.write("after");
    log.close();
    expect([`${file}.old`, file].map((each) => readFileSync(each, "utf8"))).toEqual([
      "before\nstill there\n",
      "after\n",
    ]);
  });

  test("takes lines whole, however the stream is cut", () => {
    const lines: string[] = [];
    const split = lineSplitter((line) => lines.push(line));
    const bytes = Buffer.from('{"a":"é"}\nplain\n{"b"');
    for (const byte of bytes) {
      split(Buffer.from([byte]));
    }
    expect(lines).toEqual(['{"a":"é"}', "plain"]);
    expect(asJsonLine("worker-1", lines[0]!)).toBe('{"a":"é"}');
    expect(JSON.parse(asJsonLine("worker-1", "plain"))).toMatchObject({ level: 40, name: "worker-1", msg: "plain" });
  });
});
