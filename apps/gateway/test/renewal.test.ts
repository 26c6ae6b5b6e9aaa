import type { SessionOpened } from "@carillon/bus";
import { CarillonError } from "@carillon/protocol";
import { until } from "@carillon/testkit";
import { Renewal } from "../src/recovery/registrations";
import type { Session } from "../src/session/session";
import type { UserRegistry } from "../src/session/user-registry";

/** The fields of a session that a registration needs. */
const device = { identity: { userId: "u", deviceId: "d" }, delivery: { inboxEpoch: "e1", acked: 0 } };

function setUp(renew: (session: Session) => Promise<void> = async () => {}) {
  const renewed: number[] = [];
  const sessions = new Map([
    [
      "alice",
      [
        { ...device, number: 1, isOpen: true },
        { ...device, number: 2, isOpen: false },
      ],
    ],
    ["bob", [{ ...device, number: 3, isOpen: true }]],
  ]);
  const users = {
    userIds: [...sessions.keys()],
    user: () => undefined,
    openSessions: (userId: string) => (sessions.get(userId) ?? []).filter(({ isOpen }) => isOpen),
  } as unknown as UserRegistry;
  const renewal = new Renewal({
    users,
    perSecond: 200,
    opener: {
      register: async (session) => {
        await renew(session);
        renewed.push(session.number);
        return { inbox: { epoch: "e1", seq: 0 }, delivered: [] } as unknown as SessionOpened;
      },
    },
    received: { deliver: () => {} },
  });
  return { renewal, renewed };
}

test("open sessions of users are registered again; users without a session are skipped", async () => {
  const { renewal, renewed } = setUp();
  renewal.request(["alice", "nobody"]);
  await until("the session is registered", () => renewed.length === 1);
  expect(renewed).toEqual([1]);
});

test("a new life of Redis renews all users; the first life that the gateway sees renews nobody", async () => {
  const { renewal, renewed } = setUp();
  for (const run of ["", "r1", "r1"]) renewal.seeRedisLife(run);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(renewed).toEqual([]);
  renewal.seeRedisLife("r2");
  await until("all sessions are registered", () => renewed.length === 2);
});

test("a renewal that failed is tried again", async () => {
  let failures = 2;
  const { renewal, renewed } = setUp(async () => {
    if (failures-- > 0) throw new CarillonError("BUSY");
  });
  renewal.request(["bob"]);
  await until("the session is registered", () => renewed.length === 1);
  renewal.stop();
});
