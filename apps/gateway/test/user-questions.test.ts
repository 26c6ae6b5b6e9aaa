import { CarillonError } from "@carillon/protocol";
import { UserQuestions } from "../src/submit/user-questions";

const limits = { pullsPerSecond: 20, pullsBurst: 30, syncsPerSecond: 2, syncsBurst: 10 };

const performanceClock = { monotonic: () => performance.now() };

/** An api that answers when the test says so. */
function slowApi() {
  const questions = new UserQuestions({ limits, clock: performanceClock });
  const asked: { user: string; deadlineMs: number; answer(): void }[] = [];
  const ask = (user: string, kind: "pull" | "sync") =>
    questions
      .run(
        user,
        kind,
        (deadlineMs) =>
          new Promise<string>((resolve) => {
            asked.push({ user, deadlineMs, answer: () => resolve("answered") });
          }),
      )
      .catch((error: CarillonError) => error);
  return { ask, asked };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test("a user has a budget for each kind, and is told when to ask again", async () => {
  const { ask, asked } = slowApi();
  const syncs = Array.from({ length: 11 }, () => ask("alice", "sync"));
  const refused = (await syncs[10]) as CarillonError;
  expect(refused).toMatchObject({ name: "RATE_LIMITED", retryAfterMs: 500 });
  void ask("alice", "pull");
  void ask("bob", "sync");
  await jest.advanceTimersByTimeAsync(0);
  expect(asked.filter(({ user }) => user === "bob")).toHaveLength(1);
  for (let at = 0; at < asked.length; at++) {
    asked[at]!.answer();
    await jest.advanceTimersByTimeAsync(0);
  }
  expect(await Promise.all(syncs.slice(0, 10))).toEqual(Array.from({ length: 10 }, () => "answered"));
  await jest.advanceTimersByTimeAsync(500);
  void ask("alice", "sync");
  await jest.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(13);
});

test("a bounded number of a user's questions is under way; the next one is asked when one is answered", async () => {
  const { ask, asked } = slowApi();
  const syncs = Array.from({ length: 6 }, () => ask("alice", "sync"));
  for (let i = 0; i < 10; i++) void ask("alice", "pull");
  await jest.advanceTimersByTimeAsync(1_000);
  expect(asked.map(({ deadlineMs }) => deadlineMs)).toEqual(Array.from({ length: 12 }, () => 5_000));
  asked[0]!.answer();
  await jest.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(13);
  // The next question has waited too long: it is refused, and no api is asked.
  await jest.advanceTimersByTimeAsync(3_000);
  expect(await syncs[5]).toMatchObject({ name: "RATE_LIMITED", retryAfterMs: expect.any(Number) });
  expect(asked).toHaveLength(13);
});

test("the questions of all users wait in one room, and the next one has the rest of its time", async () => {
  const { ask, asked } = slowApi();
  const syncs = Array.from({ length: 18 }, (_, i) => ask(`user${i}`, "sync"));
  await jest.advanceTimersByTimeAsync(4_500);
  expect(asked).toHaveLength(16);
  asked[0]!.answer();
  await jest.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(17);
  expect(asked[16]!.deadlineMs).toBe(4_500);
  await jest.advanceTimersByTimeAsync(1_500);
  expect(await syncs[17]).toMatchObject({ name: "BUSY", retryAfterMs: expect.any(Number) });
  // Questions of another kind have a room of their own.
  void ask("user0", "pull");
  await jest.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(18);
});

test("an error of the api is passed on as it is", async () => {
  const questions = new UserQuestions({ limits, clock: performanceClock });
  const busy = new CarillonError("BUSY", "later", { retryAfterMs: 7 });
  await expect(questions.run("alice", "pull", () => Promise.reject(busy))).rejects.toBe(busy);
});
