/** Carillon refuses a NATS that acknowledges before it fsyncs, unless it is told that this is wanted. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { silentLogger } from "@carillon/base/node";
import { type NatsServer, ProcessGuard, startNats } from "@carillon/local";
import { connectBus } from "../src/index";

let directory: string;
const guard = new ProcessGuard();
let nats: NatsServer;
beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "carillon-durability-"));
  guard.removeFolder(directory);
  nats = await startNats({ directory, fsync: false, guard });
}, 300_000);
afterAll(async () => {
  await nats?.stop();
  await guard.release();
  rmSync(directory, { recursive: true, force: true });
});

const connect = (fsync: boolean) => {
  const { user, password, monitor } = nats;
  const settings = { servers: [nats.server], user, password, monitor, fsync, replicas: 1 as const, streamMegabytes: 8 };
  return connectBus({ settings, name: "test", logger: silentLogger() });
};

test("a NATS that fsyncs later than it acknowledges is refused", async () => {
  await expect(connect(true)).rejects.toThrow("set `jetstream { sync_interval: always }`");
});

test("with nats.fsync off it is taken", async () => {
  const bus = await connect(false);
  expect(bus.connection.isClosed()).toBe(false);
  await bus.close();
});
