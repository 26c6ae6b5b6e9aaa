import { addressKey } from "@carillon/base";
import type { CarillonError } from "@carillon/protocol";
import { LoginLimits } from "../src/auth/brake";

let now = 0;
const options = { failedLoginsPerUser: 3, loginsPerMinute: 2, refreshesPerMinute: 2 };
const newLimits = (failedLoginsPerAddress = 1_000) =>
  new LoginLimits({ limits: { ...options, failedLoginsPerAddress }, monotonic: () => now });

const HOME = "192.0.2.1";
const AWAY = "198.51.100.7";

/** `right`, `wrong`, or how long to wait. */
async function outcome(judging: Promise<boolean>): Promise<string | number> {
  return judging.then(
    (isRight) => (isRight ? "right" : "wrong"),
    (error: CarillonError) => error.retryAfterMs ?? error.message,
  );
}

const guess = (limits: LoginLimits, user = "alice", from = AWAY) =>
  outcome(limits.judge(user, from, async () => false));
const right = (limits: LoginLimits, user = "alice", from = AWAY) => outcome(limits.judge(user, from, async () => true));

beforeEach(() => {
  now = 0;
});

test("of guesses at once no more are judged than there is budget for", async () => {
  const limits = newLimits();
  let judged = 0;
  const guesses = Array.from({ length: 300 }, () =>
    outcome(
      limits.judge("alice", AWAY, async () => {
        judged++;
        await new Promise((resolve) => setImmediate(resolve));
        return false;
      }),
    ),
  );
  const outcomes = await Promise.all(guesses);
  expect(judged).toBe(3);
  expect(outcomes.filter((one) => one !== "wrong" && Number(one) > 0)).toHaveLength(297);
});

test("many right ones at once are no guesses: two at a time, and so many that wait", async () => {
  const limits = newLimits();
  let [underWay, most] = [0, 0];
  const all = Array.from({ length: 30 }, () =>
    outcome(
      limits.judge("alice", AWAY, async () => {
        most = Math.max(most, ++underWay);
        await new Promise((resolve) => setImmediate(resolve));
        underWay--;
        return true;
      }),
    ),
  );
  const outcomes = await Promise.all(all);
  expect(most).toBe(2);
  expect(outcomes.filter((one) => one === "right")).toHaveLength(18);
  expect(outcomes.filter((one) => Number(one) > 0)).toHaveLength(12);
});

test("the right password gets in: elsewhere at once, here by its turn, and then all is as before", async () => {
  const limits = newLimits();
  for (let i = 0; i < 3; i++) expect(await guess(limits)).toBe("wrong");
  expect(await right(limits)).toBe(5_000);
  expect(await right(limits, "alice", HOME)).toBe("right");
  now += 5_000;
  expect(await right(limits)).toBe("right");
  for (let i = 0; i < 3; i++) expect(await guess(limits)).toBe("wrong");
});

test("turns come later and later, at last one a minute", async () => {
  const limits = newLimits();
  for (let i = 0; i < 3; i++) await guess(limits);
  const waits: unknown[] = [];
  for (let turn = 0; turn < 6; turn++) {
    const wait = (await guess(limits)) as number;
    waits.push(wait);
    now += wait;
    expect(await guess(limits)).toBe("wrong");
  }
  expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
});

test("what is right counts for nothing, what could not be judged neither", async () => {
  const limits = newLimits();
  for (let i = 0; i < 20; i++) expect(await right(limits)).toBe("right");
  for (let i = 0; i < 20; i++) {
    const broken = limits.judge("alice", AWAY, () => Promise.reject(new Error("MySQL is away")));
    await expect(broken).rejects.toThrow("MySQL is away");
  }
  for (let i = 0; i < 3; i++) expect(await guess(limits)).toBe("wrong");
  expect(await guess(limits)).toBe(5_000);
  now += 5_000;
  await expect(limits.judge("alice", AWAY, () => Promise.reject(new Error("away")))).rejects.toThrow("away");
  expect(await guess(limits)).toBe("wrong");
});

test("an address is slowed, whoever it pretends to be; the users whom it named are not", async () => {
  const limits = newLimits(6);
  for (let i = 0; i < 6; i++) expect(await guess(limits, `ghost${i}`)).toBe("wrong");
  expect(await guess(limits, "bob")).toBe(500);
  expect(await right(limits, "bob", HOME)).toBe("right");
  now += 500;
  expect(await right(limits, "bob")).toBe("right");
});

test("a device that shows its token is counted by itself", async () => {
  const limits = newLimits();
  for (let i = 0; i < 3; i++) await guess(limits);
  const onDevice = (device: string) => outcome(limits.judgeOnDevice("alice", device, async () => false));
  for (let i = 0; i < 3; i++) expect(await onDevice("phone")).toBe("wrong");
  expect(await onDevice("phone")).toBe(5_000);
  expect(await onDevice("laptop")).toBe("wrong");
});

test("an operator lifts what is counted of one user, at every address", async () => {
  const limits = newLimits();
  for (const from of [HOME, AWAY]) for (let i = 0; i < 3; i++) await guess(limits, "alice", from);
  for (let i = 0; i < 3; i++) await guess(limits, "alice2", HOME);
  limits.unlock("alice");
  expect(await guess(limits, "alice2", "203.0.113.9")).toBe("wrong");
  now += 2_000;
  expect(await right(limits, "alice", HOME)).toBe("right");
});

test("log-ins that succeed, and refreshes, have budgets as well", () => {
  const limits = newLimits();
  for (let i = 0; i < 2; i++) limits.countLogin("alice");
  expect(() => limits.countLogin("alice")).toThrow(
    expect.objectContaining({ name: "RATE_LIMITED", retryAfterMs: 30_000 }),
  );
  limits.countLogin("bob");
  for (let i = 0; i < 2; i++) limits.countRefresh("family");
  expect(() => limits.countRefresh("family")).toThrow(expect.objectContaining({ name: "RATE_LIMITED" }));
});

test("look-ups of strangers are counted by address while they find nothing", async () => {
  const limits = newLimits(6);
  const lookUp = (found: string | undefined) =>
    limits
      .lookUp(
        AWAY,
        async () => found,
        (one) => one !== undefined,
      )
      .catch((error: CarillonError) => error.name);
  for (let i = 0; i < 20; i++) expect(await lookUp("there")).toBe("there");
  for (let i = 0; i < 6; i++) expect(await lookUp(undefined)).toBeUndefined();
  expect(await lookUp("there")).toBe("RATE_LIMITED");
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"],
  ["2001:DB8:0:1::7", "2001:db8:0:1::/64"],
  ["2001:0db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
])("%s counts as %s", (address, key) => {
  expect(addressKey(address)).toBe(key);
});
