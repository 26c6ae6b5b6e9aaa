import { PacedJob } from "../src";

test("what is asked for while it runs is done once more; what fails is repeated", async () => {
  let [runs, failures] = [0, 0];
  let finish: () => void = () => {};
  const job = new PacedJob(
    async () => {
      runs++;
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      if (runs === 2) throw new Error("nobody answers");
    },
    1,
    () => failures++,
  );
  const isRun = async (count: number) => {
    while (runs < count) await new Promise((resolve) => setImmediate(resolve));
  };
  job.request();
  for (let i = 0; i < 3; i++) job.request();
  finish();
  await isRun(2);
  finish();
  await isRun(3);
  expect(failures).toBe(1);
  finish();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(runs).toBe(3);
  job.stop();
  job.request();
  expect(runs).toBe(3);
});
