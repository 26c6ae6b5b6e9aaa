import { ask, type Bus, sessionOpen } from "@carillon/bus";
import { ALL_DEVICES } from "@carillon/store";
import { openTestBus, startServers, type TestServers } from "@carillon/testkit";
import { SessionService, type SessionServiceOptions } from "../src/sessions/session-service";

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

test("a device whose gateway waits no longer, because MySQL was slow, is not registered", async () => {
  let registered = 0;
  let looked = () => {};
  const isLooked = new Promise<void>((resolve) => {
    looked = resolve;
  });
  const device = { revoked: false, login: undefined };
  const user = { status: "normal" as const, role: "user", tokenVersion: 1, device };
  const service = new SessionService({
    bus,
    logger: bus.logger,
    deviceRules: () => ALL_DEVICES,
    credentials: async () => {
      await new Promise((resolve) => setTimeout(resolve, 3_200));
      setTimeout(looked, 100);
      return [user];
    },
    sessions: {
      open: async () => {
        registered++;
        return undefined;
      },
    },
  } as unknown as SessionServiceOptions);
  service.start();
  const place = { gateway: "gateway-1", boot: "b", connection: 1, since: 1 };
  const question = { userId: "alice", deviceId: "phone", platform: "ios", ...place };
  const opening = ask(bus, sessionOpen, question);
  await expect(opening).rejects.toMatchObject({ name: "BUSY" });
  await isLooked;
  expect(registered).toBe(0);
  service.stop();
}, 60_000);
