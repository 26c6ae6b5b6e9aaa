/** What is old is deleted, and nothing else. */

import { Cursors, keys } from "@carillon/store";
import { keepHouse } from "../src/jobs/housekeeping";
import { TestApi } from "./fixtures/test-api";

let at: TestApi;
const NOW = 1_790_000_000_000;
const DAY_MS = 86_400_000;

beforeAll(async () => {
  at = await TestApi.start();
}, 120_000);

afterAll(() => at.stop());

test("devices that are over, cursors that did not move, invitations without an answer, refused requests, the audit log", async () => {
  const { mysql, redis } = at;
  const userId = await at.newUser();
  const device = (deviceId: string, days: number) =>
    mysql.accounts.signIn(
      userId,
      { deviceId, platform: "web" },
      { family: deviceId, hash: deviceId, expiresAt: NOW - days * DAY_MS },
      NOW - (days + 30) * DAY_MS,
    );
  await device("over", 46);
  await device("lately-over", 44);
  await device("good", -10);
  await device("logged-out", -10);
  await device("lately-logged-out", -10);
  await mysql.accounts.revokeDevice(userId, "logged-out", NOW - 46 * DAY_MS);
  await mysql.accounts.revokeDevice(userId, "lately-logged-out", NOW - DAY_MS);
  const received = (deviceId: string, days: number) =>
    redis.script("received", [keys.cursors(userId)], [deviceId, "epoch", 5, NOW - days * DAY_MS]);
  await received("over", 46);
  await received("good", 1);
  await mysql.invitations.invite("choir", "anna", [userId], NOW - 91 * DAY_MS);
  await mysql.invitations.invite("band", "anna", [userId], NOW - DAY_MS);
  for (const [groupId, refusedDaysAgo] of [
    ["choir", 46],
    ["band", 44],
  ] as const) {
    await mysql.groupRequests.ask(groupId, userId, NOW - 50 * DAY_MS, NOW);
    await mysql.groupRequests.refuse(groupId, userId, NOW - refusedDaysAgo * DAY_MS);
  }
  await mysql.groupRequests.ask("team", userId, NOW - 50 * DAY_MS, NOW);
  const entry = (days: number) => ({ at: NOW - days * DAY_MS, who: "shell:root", from: "m", act: "a", result: "ok" });
  await mysql.auditLog.add([entry(31), entry(29)]);
  const logged: object[] = [];
  const context = {
    oldDevices: mysql.oldDevices,
    cursors: new Cursors(redis),
    invitations: mysql.invitations,
    requests: mysql.groupRequests,
    auditLog: mysql.auditLog,
    config: { audit: { days: 30 } },
    clock: { now: () => NOW, monotonic: () => 0 },
    logger: { info: (what: object) => void logged.push(what) } as never,
  };
  await keepHouse(context, new AbortController().signal);
  expect(logged).toEqual([{ devices: 2, cursors: 1, invitations: 1, requests: 1, audited: 1 }]);
  const left = ["over", "lately-over", "good", "logged-out", "lately-logged-out"];
  const known = await mysql.credentials.of(left.map((deviceId) => ({ userId, deviceId })));
  expect(left.filter((_, i) => known[i]?.device !== undefined)).toEqual(["lately-over", "good", "lately-logged-out"]);
  expect(Object.keys(await redis.hashValues(keys.cursors(userId)))).toEqual(["good"]);
  expect(await mysql.auditLog.page({ act: "a" }, 9)).toMatchObject([entry(29)]);
  await keepHouse(context, new AbortController().signal);
  expect(logged).toHaveLength(1);
  await keepHouse({ ...context, config: { audit: { days: 0 } } }, new AbortController().signal);
  expect(await mysql.auditLog.page({ act: "a" }, 9)).toHaveLength(1);
});
