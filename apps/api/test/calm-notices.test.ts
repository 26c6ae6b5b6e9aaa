import { CalmNotices } from "../src/cluster/calm-notices";

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test("of many notices of one cause the first goes at once, the last a moment later, and none between", () => {
  const notices = new CalmNotices();
  const sent: string[] = [];
  const tell = (cause: string, what: string) => notices.tell(cause, () => sent.push(`${cause} ${what}`));
  for (let i = 1; i <= 40; i++) tell("alice", String(i));
  tell("bob", "1");
  expect(sent).toEqual(["alice 1", "bob 1"]);
  jest.advanceTimersByTime(10_000);
  expect(sent).toEqual(["alice 1", "bob 1", "alice 40"]);
  // It is calm after the last one, too.
  tell("alice", "41");
  tell("bob", "2");
  expect(sent.slice(3)).toEqual(["bob 2"]);
  jest.advanceTimersByTime(10_000);
  expect(sent.slice(3)).toEqual(["bob 2", "alice 41"]);
});

test("who did it once is forgotten, and told of at once the next time", () => {
  const notices = new CalmNotices();
  let sent = 0;
  for (let i = 1; i <= 3; i++) {
    notices.tell("alice", () => sent++);
    expect(sent).toBe(i);
    jest.advanceTimersByTime(10_000);
    expect([sent, jest.getTimerCount()]).toEqual([i, 0]);
  }
});
