import { EventSource, type ListenerFailed } from "../src/events/event-source";

interface Events {
  message: number;
  typing: string;
}

function sourceOf() {
  const failures: ListenerFailed[] = [];
  const closing = new AbortController();
  const source = new EventSource<Events>((failure) => void failures.push(failure), closing.signal);
  return { source, failures, closing };
}

const isSettled = async (work: Promise<unknown> | undefined) => {
  let settled = work === undefined;
  work?.finally(() => {
    settled = true;
  });
  await jest.advanceTimersByTimeAsync(0);
  return settled;
};

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test("only a listener that throws or rejects is called again with the same value, and the app gets the error", async () => {
  const { source, failures } = sourceOf();
  const [heard, steady]: [number[], number[]] = [[], []];
  source.on("message", (value) => {
    heard.push(value);
    if (heard.length === 1) throw new Error("thrown");
    if (heard.length === 2) return Promise.reject(new Error("rejected"));
    return undefined;
  });
  source.on("message", (value) => void steady.push(value));
  const handled = source.deliver("message", 7);
  expect(await isSettled(handled)).toBe(false);
  await jest.advanceTimersByTimeAsync(500);
  expect(heard).toEqual([7, 7]);
  await jest.advanceTimersByTimeAsync(2_000);
  await handled;
  expect([heard, steady]).toEqual([[7, 7, 7], [7]]);
  expect(failures.map(({ event, value, tries, isFinal }) => [event, value, tries, isFinal])).toEqual([
    ["message", 7, 1, false],
    ["message", 7, 2, false],
  ]);
});

test("a listener that always fails is given up after five calls, and the last error says so", async () => {
  const { source, failures } = sourceOf();
  source.on("message", () => Promise.reject(new Error("always")));
  const handled = source.deliver("message", 7);
  await jest.advanceTimersByTimeAsync(60_000);
  await handled;
  expect(failures.map(({ isFinal }) => isFinal)).toEqual([false, false, false, false, true]);
});

test("a listener that hangs is called again after a minute", async () => {
  const { source, failures } = sourceOf();
  let calls = 0;
  source.on("message", () => (++calls === 1 ? new Promise(() => {}) : undefined));
  const handled = source.deliver("message", 7);
  await jest.advanceTimersByTimeAsync(59_999);
  expect(failures).toEqual([]);
  await jest.advanceTimersByTimeAsync(501);
  await handled;
  expect([calls, failures.map(({ message }) => message)]).toEqual([
    2,
    ['a listener to "message" failed, it is called again: it was not done in 60 s'],
  ]);
});

test("an event whose listener had failed when the client closed is not handled: the next run gets it again", async () => {
  const { source, closing } = sourceOf();
  let calls = 0;
  source.on("message", () => {
    calls++;
    throw new Error("not now");
  });
  const handled = source.deliver("message", 7);
  closing.abort();
  await jest.advanceTimersByTimeAsync(120_000);
  expect([calls, await isSettled(handled)]).toEqual([1, false]);
});

test("an app that fails at every third call gets every message at least once", async () => {
  const { source, failures } = sourceOf();
  const done = new Set<number>();
  let calls = 0;
  source.on("message", async (value) => {
    if (++calls % 3 === 0) throw new Error("every third");
    done.add(value);
  });
  const all = Array.from({ length: 100 }, (_, i) => source.deliver("message", i));
  await jest.advanceTimersByTimeAsync(60_000);
  await Promise.all(all);
  expect(done.size).toBe(100);
  expect(failures.length).toBeGreaterThan(30);
});

test("an event that need not be repeated is emitted once, and so is the failure of its listener", async () => {
  const { source, failures } = sourceOf();
  source.on("typing", () => Promise.reject(new Error("no")));
  source.emit("typing", "bob");
  await jest.advanceTimersByTimeAsync(60_000);
  expect(failures.map(({ tries, isFinal }) => [tries, isFinal])).toEqual([[1, true]]);
});
