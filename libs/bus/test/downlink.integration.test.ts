import { onCaught } from "@carillon/base";
import {
  type Bus,
  type Closing,
  DownlinkReceiver,
  DownlinkSender,
  gatewaySubject,
  question,
  serve,
} from "@carillon/bus";
import { openTestBus, startServers, type TestServers, until } from "@carillon/testkit";

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

const closings: Closing[] = [{ userId: "alice", deviceId: "phone", closeCode: 4101 }];
const order = { kind: "closings" as const, closings };

function receiverOf(gateway: string) {
  const seen = { closings: [] as Closing[], breaks: [] as string[] };
  const receiver = new DownlinkReceiver({
    bus,
    gateway,
    takesOrders: true,
    onMessage: (message) => {
      if (message.kind === "closings") seen.closings.push(...message.closings);
    },
    onBreak: (sender, why) => seen.breaks.push(`${sender} ${why}`),
  });
  return { receiver, seen };
}

test("an order is repeated until the gateway has acted on it, and given up when the time is over", async () => {
  const sender = new DownlinkSender(bus, "api-1");
  sender.setGateways([{ nodeId: "g1", boot: "b1" }]);
  expect(await sender.sendConfirmed("g1", order, 300)).toBe(false);
  expect(await sender.sendConfirmed("unknown", order, 60_000)).toBe(false);
  const confirming = sender.sendConfirmed("g1", order, 60_000);
  const { receiver, seen } = receiverOf("g1");
  receiver.start();
  expect(await confirming).toBe(true);
  expect(seen.closings[0]).toEqual(closings[0]);
  receiver.stop();
});

test("a link begins with the first breath of its sender, and tells by its numbers that an order was lost", async () => {
  const { receiver, seen } = receiverOf("g2");
  receiver.start();
  const sender = new DownlinkSender(bus, "api-2");
  sender.setGateways([{ nodeId: "g2", boot: "b1" }]);
  sender.start();
  await until("its beginning", () => seen.breaks.length === 1);
  receiver.stop();
  await bus.connection.flush();
  sender.send("g2", order);
  await bus.connection.flush();
  receiver.start();
  await until("the jump", () => seen.breaks.length === 2);
  expect(seen).toEqual({ closings: [], breaks: ["api-2 begins", "api-2 jumps"] });
  sender.stop();
  receiver.stop();
});

test("messages that nobody can read, and handlers that fail, do not end the reading of the connection", async () => {
  const told: string[] = [];
  const stopTelling = onCaught(({ place }) => told.push(place));
  const { receiver, seen } = receiverOf("g3");
  receiver.start();
  for (const bytes of [[], [0xc1], [0x93, 1, 2], [0x81, 0xa1, 0x61, 1]]) {
    bus.connection.publish(gatewaySubject("g3"), Uint8Array.from(bytes));
    bus.connection.publish("im.rpc.broken", Uint8Array.from(bytes), { reply: "nowhere" });
  }
  const stopServing = serve(bus, question<object, null>("broken"), () => {
    throw new Error("broken");
  });
  bus.connection.publish("im.rpc.broken", Uint8Array.from([0xc1]), { reply: "nowhere" });
  const sender = new DownlinkSender(bus, "api-3");
  sender.setGateways([{ nodeId: "g3", boot: "b1" }]);
  expect(await sender.sendConfirmed("g3", order, 60_000)).toBe(true);
  expect(seen.closings).not.toEqual([]);
  expect(told).toEqual(["subscription", "subscription", "subscription", "subscription"]);
  expect(bus.connection.stats().inMsgs).toBeGreaterThan(0);
  stopServing();
  receiver.stop();
  stopTelling();
});
