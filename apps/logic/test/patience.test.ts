import { OutOfPatience, Patience } from "../src/lookups/patience";

test("asks until three questions failed in 5 s, pauses for a second, then lets all ask again", async () => {
  let now = 0;
  let pauses = 0;
  const patience = new Patience(
    () => now,
    () => pauses++,
  );
  const fail = () => patience.ask(() => Promise.reject(new Error("away")));
  await expect(fail()).rejects.toThrow("away");
  now = 6_000;
  await expect(fail()).rejects.toThrow("away");
  await expect(fail()).rejects.toThrow("away");
  expect(pauses).toBe(0);
  await expect(fail()).rejects.toThrow("away");
  expect(pauses).toBe(1);
  await expect(patience.ask(async () => 1)).rejects.toBeInstanceOf(OutOfPatience);
  now = 7_000;
  expect(await Promise.all([1, 2, 3].map((n) => patience.ask(async () => n)))).toEqual([1, 2, 3]);
});

test("does not wait for a question that is never answered", async () => {
  const patience = new Patience(
    () => 0,
    () => {},
  );
  await expect(patience.ask(() => new Promise(() => {}))).rejects.toThrow("no answer in 100 ms");
});
