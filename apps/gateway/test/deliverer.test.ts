import { silentLogger } from "@carillon/base/node";
import type { Bus } from "@carillon/bus";
import type { Session } from "../src/session/session";
import type { UserRegistry } from "../src/session/user-registry";
import { Deliverer } from "../src/session/user-registry";

type Phase = "opening" | "open";

function setUp(...devices: [deviceId: string, phase: Phase][]) {
  const kicked: string[] = [];
  const sessions = devices.map(([deviceId, phase], index) => ({
    number: index + 1,
    isOpen: phase === "open",
    identity: { deviceId },
    kick: (code: number) => kicked.push(`${deviceId} ${code}`),
  }));
  const user = { sessions: new Set(sessions as unknown as Session[]) };
  const users = { user: (userId: string) => (userId === "alice" ? user : undefined) } as unknown as UserRegistry;
  const bus = { logger: silentLogger() } as unknown as Bus;
  return { kicked, deliverer: new Deliverer(bus, "b1", users) };
}

test("an order to close closes a device's open sessions and those that are being opened, and no other session", () => {
  const { kicked, deliverer } = setUp(["phone", "open"], ["phone", "opening"], ["laptop", "open"]);
  const close = (userId: string, deviceId?: string) =>
    deliverer.close([{ userId, closeCode: 4101, ...(deviceId === undefined ? {} : { deviceId }) }]);
  close("bob");
  expect(kicked).toEqual([]);
  close("alice", "phone");
  expect(kicked).toEqual(["phone 4101", "phone 4101"]);
  close("alice");
  expect(kicked.slice(2)).toEqual(["phone 4101", "phone 4101", "laptop 4101"]);
});

test("an order for one connection leaves the others open, and an order for a former boot closes nothing", () => {
  const { kicked, deliverer } = setUp(["phone", "open"], ["phone", "open"]);
  for (const boot of ["b0", "b1"]) {
    const closing = { userId: "alice", deviceId: "phone", connection: { boot, number: 2 }, closeCode: 4201 };
    deliverer.close([closing]);
  }
  expect(kicked).toEqual(["phone 4201"]);
});
