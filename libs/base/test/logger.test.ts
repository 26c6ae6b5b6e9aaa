import { Writable } from "node:stream";
import pino from "pino";
import { countRepeated, silentLogger, traceOf } from "../src/node";

function newLogger(level: string) {
  const lines: { level: number; msg: string; leftOut?: number; role?: string }[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  return { lines, logger: pino({ level, base: { role: "test" }, hooks: countRepeated() }, sink) };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test("of lines with the same text five are written in ten seconds, and then how many there were besides", () => {
  const { lines, logger } = newLogger("info");
  for (let i = 0; i < 9; i++) logger.warn({ try: i }, "NATS is away");
  logger.error({ err: new Error("no") }, "NATS is away");
  logger.warn("another matter");
  expect(lines.map(({ level, msg }) => `${level} ${msg}`)).toEqual([
    ...Array.from({ length: 5 }, () => "40 NATS is away"),
    "50 NATS is away",
    "40 another matter",
  ]);
  jest.advanceTimersByTime(10_000);
  expect(lines.slice(7)).toMatchObject([{ level: 40, msg: "NATS is away", leftOut: 4, role: "test" }]);
  logger.warn("NATS is away");
  expect(lines).toHaveLength(9);
  jest.advanceTimersByTime(10_000);
  expect(lines).toHaveLength(9);
});

test("what one address does often does not hide what another does; very many are counted together", () => {
  const { lines, logger } = newLogger("info");
  const refuse = (address: string) => logger.info({ address }, "a request was refused");
  for (let i = 0; i < 200; i++) refuse("203.0.113.7");
  refuse("198.51.100.1");
  expect(lines.filter((line) => "address" in line && line.address === "203.0.113.7")).toHaveLength(5);
  expect(lines.at(-1)).toMatchObject({ address: "198.51.100.1", msg: "a request was refused" });
  jest.advanceTimersByTime(10_000);
  expect(lines.at(-1)).toMatchObject({ address: "203.0.113.7", leftOut: 195 });
  for (let port = 1; port <= 9; port++) logger.info({ remote: `[2001:db8::1]:${port}` }, "a CONNECT was refused");
  logger.info({ remote: "203.0.113.9:1" }, "a CONNECT was refused");
  expect(lines.filter(({ msg }) => msg === "a CONNECT was refused")).toHaveLength(6);
  const before = lines.length;
  for (let i = 0; i < 5_000; i++) refuse(`10.0.${i >> 8}.${i & 255}`);
  expect(lines.length - before).toBeLessThan(600);
});

test("lines of level debug are written each, and only those who ask for them get the way of a message", () => {
  const { lines, logger } = newLogger("debug");
  const trace = traceOf(logger)!;
  for (let i = 0; i < 9; i++) trace({ messageId: String(i) }, "an event was archived");
  expect(lines).toHaveLength(9);
  expect([traceOf(newLogger("info").logger), traceOf(silentLogger())]).toEqual([undefined, undefined]);
});
