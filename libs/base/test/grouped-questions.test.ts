import { GroupedQuestions, KEYS_PER_STATEMENT, Unanswered } from "../src";

/** A MySQL that answers when it is told to. */
function newQuestions() {
  let now = 0;
  const statements: { keys: string[]; answer(): void; fail(): void }[] = [];
  const questions = new GroupedQuestions<string, string>({
    idOf: (key) => key,
    monotonic: () => now,
    ask: (keys) =>
      new Promise((resolve, reject) => {
        const answer = () => resolve(new Map(keys.filter((key) => key !== "nobody").map((key) => [key, `of ${key}`])));
        statements.push({ keys, answer, fail: () => reject(new Error("away")) });
      }),
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const askMany = (prefix: string, count: number) => {
    const asked = Array.from({ length: count }, (_, i) => questions.ask(`${prefix}${i}`));
    return Promise.allSettled(asked);
  };
  return { questions, statements, settle, askMany, later: (ms: number) => (now += ms) };
}

test("keys go out together, at most 200 a statement and two statements at a time", async () => {
  const { statements, settle, askMany } = newQuestions();
  const answers = askMany("a", 3 * KEYS_PER_STATEMENT + 8);
  await settle();
  expect(statements.map(({ keys }) => keys.length)).toEqual([200, 200]);
  statements[1]!.answer();
  await settle();
  expect(statements.map(({ keys }) => keys.length)).toEqual([200, 200, 200]);
  statements[0]!.answer();
  await settle();
  expect(statements.map(({ keys }) => keys.length)).toEqual([200, 200, 200, 8]);
  for (const { answer } of statements) answer();
  expect((await answers).map((each) => each.status === "fulfilled" && each.value).at(-1)).toBe("of a607");
});

test("a key that waits is asked once; one that is under way is asked again, since it may have changed meanwhile", async () => {
  const { questions, statements, settle } = newQuestions();
  const [first, second] = [questions.ask("a"), questions.ask("a")];
  await settle();
  const third = questions.ask("a");
  await settle();
  expect(statements.map(({ keys }) => keys)).toEqual([["a"], ["a"]]);
  for (const { answer } of statements) answer();
  expect(await Promise.all([first, second, third, questions.askAll([])])).toEqual([
    ...["of a", "of a", "of a"],
    new Map(),
  ]);
});

test("a key without an answer is undefined, and missing among several", async () => {
  const { questions, statements, settle } = newQuestions();
  const one = questions.ask("nobody");
  const several = questions.askAll(["nobody", "a"]);
  await settle();
  for (const { answer } of statements) answer();
  expect(await one).toBeUndefined();
  expect(await several).toEqual(new Map([["a", "of a"]]));
});

test("nobody queues up behind a MySQL that has been silent for a second; its answers count all the same", async () => {
  const { questions, statements, settle, later } = newQuestions();
  const waiting = [questions.ask("a")];
  await settle();
  waiting.push(questions.ask("b"));
  await settle();
  later(999);
  expect(questions.isSilent).toBe(false);
  later(1);
  expect(questions.isSilent).toBe(true);
  await expect(questions.ask("c")).rejects.toBeInstanceOf(Unanswered);
  for (const { answer } of statements) answer();
  expect(await Promise.all(waiting)).toEqual(["of a", "of b"]);
  expect(questions.isSilent).toBe(false);
});

test("a key for which nobody waits any more is not asked", async () => {
  const { questions, statements, settle, askMany, later } = newQuestions();
  const first = askMany("a", 2 * KEYS_PER_STATEMENT);
  await settle();
  const second = questions.ask("b");
  later(2_001);
  for (const { answer } of statements) answer();
  await first;
  await expect(second).rejects.toThrow("nobody waits");
  expect(statements).toHaveLength(2);
});

test("an answer that took longer than the log remembers is thrown away", async () => {
  const { questions, statements, settle, later } = newQuestions();
  const asked = questions.ask("a");
  await settle();
  later(20_001);
  statements[0]!.answer();
  await expect(asked).rejects.toBeInstanceOf(Unanswered);
});

test("the failure of a statement is its keys' alone, and nothing is left behind", async () => {
  const { questions, statements, settle } = newQuestions();
  const failed = questions.ask("a");
  await settle();
  statements[0]!.fail();
  await expect(failed).rejects.toThrow("away");
  const next = questions.ask("a");
  await settle();
  statements[1]!.answer();
  expect(await next).toBe("of a");
});
