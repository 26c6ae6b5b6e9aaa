import { LeaseJob, type LeaseJobOptions } from "../src/jobs/lease-job";

const noFailure = (error: Error) => {
  throw error;
};

function job(options: Partial<LeaseJobOptions>): LeaseJob {
  const lease = { acquire: async () => true };
  return new LeaseJob({ lease, everyMs: 3_600_000, work: async () => {}, onFailure: noFailure, ...options });
}

/** A promise, and what resolves it. */
function signalled(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

test("works from time to time, also after a failure", async () => {
  const failures: string[] = [];
  const thrice = signalled();
  let times = 0;
  const work = async () => {
    if (++times === 3) thrice.resolve();
    throw new Error(`time ${times}`);
  };
  const running = job({ everyMs: 1, work, onFailure: ({ message }) => failures.push(message) });
  running.start();
  await thrice.promise;
  await running.stop();
  expect(failures.slice(0, 3)).toEqual(["time 1", "time 2", "time 3"]);
});

test("does nothing while another one has the lease", async () => {
  const asked = signalled();
  let [acquired, worked] = [0, 0];
  const acquire = async () => {
    if (++acquired === 3) asked.resolve();
    return false;
  };
  const work = async () => {
    worked++;
  };
  const running = job({ everyMs: 1, lease: { acquire }, work });
  running.start();
  await asked.promise;
  await running.stop();
  expect(worked).toBe(0);
});

test("is woken before its time, also while it works: then it begins again at once", async () => {
  const [first, second] = [signalled(), signalled()];
  let times = 0;
  const running = job({
    work: async () => {
      times++;
      if (times === 1) {
        first.resolve();
        running.wake();
      } else second.resolve();
    },
  });
  running.start();
  running.wake();
  await first.promise;
  await second.promise;
  await running.stop();
  expect(times).toBe(2);
});

test("an end waits for the step under way, which is told", async () => {
  const begun = signalled();
  let done = false;
  const running = job({
    everyMs: 1,
    work: async (signal) => {
      begun.resolve();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      done = true;
    },
  });
  running.start();
  await begun.promise;
  await running.stop();
  expect(done).toBe(true);
});
