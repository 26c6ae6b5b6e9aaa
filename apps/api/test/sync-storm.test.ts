/**
 * Thousands of devices that come back together and SYNC, against a MySQL that does so many statements a second: under
 * virtual time, with everything that a SYNC goes through but the stores themselves.
 */
import { Abandoned, Admission, Backoff, Overloaded, sleep } from "@carillon/base";
import { currentDeadline, withinDeadline } from "@carillon/base/node";
import { CarillonError } from "@carillon/protocol";
import { busyStore } from "@carillon/store";
import { ArchiveBarrier } from "../src/reading/archive-barrier";
import { newQueryAdmission } from "../src/reading/query-service";
import { SharedQuestions } from "../src/reading/shared-questions";
import { type SyncContext, sync } from "../src/reading/sync";

const STATEMENTS_PER_SECOND = 2_000;
const CONNECTIONS = 8;
/** How long a gateway waits for an api, ms. */
const GATEWAY_MS = 5_000;
/** As the SDK asks again. */
const SDK_RETRY = { first: 500, most: 10_000, jitter: "full" } as const;

/** More than lists of many users are shared for: each takes statements of its own, the costly case. */
const MANY = 1_000;
const REACH = { begunAt: 0, positions: new Map<number, number>() };

const monotonic = () => performance.now();

class SlowMysql {
  statements = 0;
  /** Statements that began though the gateway had given up. */
  late = 0;
  private readonly pool = new Admission({ atOnce: CONNECTIONS, waiting: 96, patienceMs: 10_000, monotonic });

  statement<T>(result: T): Promise<T> {
    const deadline = currentDeadline();
    const work = async () => {
      this.statements++;
      if (deadline !== undefined && monotonic() > deadline) this.late++;
      await sleep((CONNECTIONS * 1_000) / STATEMENTS_PER_SECOND);
      return result;
    };
    return this.pool.run(work, { deadline });
  }
}

function contextOn(mysql: SlowMysql): SyncContext {
  const barrier = new ArchiveBarrier({
    logEnds: async () => [10],
    archivePositions: () => mysql.statement(new Map([[0, { claim: 1, position: 10 }]])),
    firstMissingAt: async () => undefined,
  });
  const each = <A>(userIds: string[], answer: A) => new Map(userIds.map((userId) => [userId, answer]));
  const overview = {
    relationsVersion: 0,
    now: 1_790_000_000_000,
    counts: { relations: 0, groups: MANY, conversations: MANY },
    memberships: MANY,
  };
  const shared = new SharedQuestions({
    inboxes: { headsAndReach: async (ids) => each(ids, { head: { epoch: "e", seq: 1 }, reach: REACH }) },
    sync: { overviews: (ids) => mysql.statement(each(ids, overview)) },
    marks: { of: async () => [] },
    conversations: { listsOfFew: async () => new Map(), unread: async () => [] },
    memberships: { changedOfFew: async () => new Map() },
    monotonic,
  });
  return {
    barrier,
    shared,
    relations: { changedSince: () => mysql.statement([]) },
    memberships: { changedSince: () => mysql.statement([]) },
    people: { names: async () => new Map() },
    conversations: { list: () => mysql.statement([]) },
  } as unknown as SyncContext;
}

/** The api as a gateway asks it, and the gateway's patience. */
function apiOn(mysql: SlowMysql) {
  const context = contextOn(mysql);
  const admission = newQueryAdmission(monotonic);
  return async (userId: string): Promise<number> => {
    const deadline = monotonic() + GATEWAY_MS;
    const work = () => withinDeadline(deadline, () => sync(context, userId, {}));
    const answer = admission.run(work, { key: userId, deadline }).then(
      () => 0,
      (error: unknown) => {
        // An abandoned question is not answered.
        if (error instanceof Abandoned) return new Promise<number>(() => {});
        if (error instanceof Overloaded) return error.retryAfterMs;
        const busy = busyStore(error);
        if (busy === undefined) throw error;
        return busy.retryAfterMs!;
      },
    );
    return Promise.race([answer, sleep(GATEWAY_MS).then(() => Math.ceil(1_000 * (1 + Math.random())))]);
  };
}

async function storm(devices: number, withinMs: number) {
  const mysql = new SlowMysql();
  const ask = apiOn(mysql);
  const begun = monotonic();
  const times: number[] = [];
  const refusals = { count: 0 };
  const device = async (number: number) => {
    const backoff = new Backoff(SDK_RETRY);
    for (let retryAfterMs = await ask(`user${number}`); retryAfterMs > 0; retryAfterMs = await ask(`user${number}`)) {
      refusals.count++;
      await sleep(backoff.nextAfter(retryAfterMs));
    }
    times.push(monotonic() - begun);
  };
  for (let i = 0; i < devices; i++) void device(i);
  await jest.advanceTimersByTimeAsync(withinMs);
  return { mysql, done: times.length, refusals: refusals.count, last: Math.max(...times) };
}

// Shared questions gather within a turn.
beforeEach(() => void jest.useFakeTimers({ doNotFake: ["queueMicrotask"] }));
afterEach(() => void jest.useRealTimers());

test("3,000 devices that SYNC together are done in 20 s, and nothing is asked for those who have gone", async () => {
  const { done, mysql, refusals } = await storm(3_000, 20_000);
  expect(done).toBe(3_000);
  expect(mysql.late).toBe(0);
  // A device asks some times, not once a second: bookings tell it when.
  expect(refusals / 3_000).toBeLessThan(5);
}, 120_000);

test("a few devices wait for nothing", async () => {
  const { done, refusals } = await storm(30, 500);
  expect([done, refusals]).toEqual([30, 0]);
});

test("one user's devices, however many, leave room for others", async () => {
  const mysql = new SlowMysql();
  const ask = apiOn(mysql);
  const many = Promise.all(Array.from({ length: 500 }, () => ask("greedy")));
  const other = ask("other");
  await jest.advanceTimersByTimeAsync(200);
  expect(await Promise.race([other, "waits"])).toBe(0);
  await jest.advanceTimersByTimeAsync(10_000);
  expect((await many).filter((retryAfterMs) => retryAfterMs > 0).length).toBeGreaterThan(450);
});

test("what cannot be done now is BUSY, and what is broken stays so", () => {
  expect(busyStore(new Overloaded(1_234, false))).toMatchObject({ name: "BUSY", retryAfterMs: 1_234 });
  expect(busyStore(new Abandoned())).toBeInstanceOf(CarillonError);
  expect(busyStore(new Error("of ours"))).toBeUndefined();
});
