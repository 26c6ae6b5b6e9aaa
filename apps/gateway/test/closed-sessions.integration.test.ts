import { type Bus, serve, sessionClose } from "@carillon/bus";
import { openTestBus, startServers, type TestServers, until } from "@carillon/testkit";
import { ClosedSessions } from "../src/recovery/registrations";
import type { Session } from "../src/session/session";

let servers: TestServers<{ nats: true }>;
let bus: Bus;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  ({ bus } = await openTestBus(servers.nats, 1));
}, 120_000);

afterAll(async () => {
  await bus.close();
  await servers.stop();
});

test("a connection that closed while workers or Redis were away is removed later, and its user is published again", async () => {
  const late: string[] = [];
  const presence = { publish: (userId: string) => void late.push(userId) };
  const left = new ClosedSessions(bus, { gateway: "gateway-1", boot: "b" }, presence);
  const add = (userId: string) =>
    left.add({ number: 1 } as Session, { userId, deviceId: "d", platform: "web", tokenVersion: 1 });
  await add("alice");
  const forgotten: string[] = [];
  let isRedisThere = false;
  serve(bus, sessionClose, ({ userId }) => {
    if (!isRedisThere) throw new Error("Redis is away");
    forgotten.push(userId);
    return null;
  });
  await bus.connection.flush();
  await add("bob");
  isRedisThere = true;
  await until("both are removed", () => late.length === 2, 30_000);
  expect(forgotten).toEqual(["alice", "bob"]);
  // Removed in time: no other gateway can have asked before and got another answer.
  await add("carol");
  expect(late).toEqual(["alice", "bob"]);
  left.stop();
});
