import { startServers, type TestServers } from "@carillon/testkit";
import { Cluster } from "./cluster";

let servers: TestServers<{ nats: true }>;
let cluster: Cluster;

beforeAll(async () => {
  servers = await startServers({ nats: true });
  cluster = new Cluster(servers);
});

afterEach(() => cluster.end());
afterAll(() => servers.stop());

// The watch begins right after the first view: a close that comes while it is being made must not leave it behind.
it.each([0, 1, 2, 3, 5, 8, 13])("a process that closes %i ms after its first view ends by itself", async (stayMs) => {
  await cluster.open();
  expect(await cluster.visit(stayMs)).toBe(0);
});
