import { until } from "@carillon/testkit";
import { Renewal } from "../src/session/renewal";
import type { Session } from "../src/session/session";
import type { UserRegistry } from "../src/session/user-registry";

function setUp(renew: (session: Session) => Promise<void> = async () => {}) {
  const renewed: number[] = [];
  const sessions = new Map([
    [
      "alice",
      [
        { number: 1, isOpen: true },
        { number: 2, isOpen: false },
      ],
    ],
    ["bob", [{ number: 3, isOpen: true }]],
  ]);
  const users = {
    userIds: [...sessions.keys()],
    user: (userId: string) => sessions.has(userId) && { sessions: new Set(sessions.get(userId)) },
  } as unknown as UserRegistry;
  const renewal = new Renewal({
    users,
    perSecond: 200,
    renew: async (session) => {
      await renew(session);
      renewed.push(session.number);
    },
  });
  return { renewal, renewed };
}

test("open sessions of the users are registered again; who is gone is not", async () => {
  const { renewal, renewed } = setUp();
  renewal.request(["alice", "nobody"]);
  await until("one", () => renewed.length === 1);
  expect(renewed).toEqual([1]);
});

test("another life of Redis means everybody, the first one that is seen nobody", async () => {
  const { renewal, renewed } = setUp();
  for (const run of ["", "r1", "r1"]) renewal.seeRun(run);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(renewed).toEqual([]);
  renewal.seeRun("r2");
  await until("all", () => renewed.length === 2);
});

test("what failed is tried again", async () => {
  let failures = 2;
  const { renewal, renewed } = setUp(async () => {
    if (failures-- > 0) throw new Error("nobody answers");
  });
  renewal.request(["bob"]);
  await until("it worked", () => renewed.length === 1);
  renewal.stop();
});
