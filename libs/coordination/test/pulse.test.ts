import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { Pulse } from "../src/membership/pulse";

type Hear = (error: Error | null, message: Msg) => void;

/** The members of one role on an imaginary NATS, whose links can lose what goes to a member or comes from it. */
class Beats {
  private readonly hearers = new Map<string, Hear>();
  /** Those to whom nothing gets through. */
  readonly unreached = new Set<string>();
  /** Those of whom nothing gets through. */
  readonly unheard = new Set<string>();

  join(boot: string, all: string[]): Pulse {
    const connection = {
      isClosed: () => false,
      isDraining: () => false,
      subscribe: (_subject: string, { callback }: { callback: Hear }) => {
        this.hearers.set(boot, callback);
        return { unsubscribe: () => this.hearers.delete(boot) };
      },
      publish: (_subject: string, text: string) => {
        if (this.unheard.has(boot)) return;
        const message = { json: () => JSON.parse(text) } as Msg;
        for (const [other, hear] of this.hearers) if (!this.unreached.has(other)) hear(null, message);
      },
    };
    return new Pulse("logic", boot, boot, {
      connection: connection as unknown as NatsConnection,
      heartbeatMs: 500,
      suspectMs: 2_000,
      judges: true,
      nodes: () => all.map((each) => ({ ...RECORD, nodeId: each, boot: each })),
      onChange: () => {},
    });
  }
}

const RECORD = {
  role: "logic",
  addresses: {},
  weight: 1,
  state: "up",
  version: "",
  fingerprint: "",
  startedAt: 0,
} as const;

function threeMembers() {
  const beats = new Beats();
  const boots = ["a", "b", "c"];
  const pulses = boots.map((boot) => beats.join(boot, boots));
  /** Whom each suspects. */
  const suspicions = () => pulses.map((pulse) => boots.filter((boot) => pulse.isSilent(boot)).join());
  const stop = () => {
    for (const pulse of pulses) pulse.stop();
  };
  return { beats, suspicions, stop };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test("who hears nothing of itself is suspected by the others, though its beats arrive, and suspects nobody", () => {
  const { beats, suspicions, stop } = threeMembers();
  jest.advanceTimersByTime(10_000);
  expect(suspicions()).toEqual(["", "", ""]);
  beats.unreached.add("a");
  jest.advanceTimersByTime(4_000);
  expect(suspicions()).toEqual(["", "a", "a"]);
  beats.unreached.clear();
  jest.advanceTimersByTime(1_000);
  expect(suspicions()).toEqual(["", "", ""]);
  stop();
});

test("who is not heard is suspected, and suspects nobody", () => {
  const { beats, suspicions, stop } = threeMembers();
  beats.unheard.add("a");
  jest.advanceTimersByTime(3_000);
  expect(suspicions()).toEqual(["", "a", "a"]);
  stop();
});

test("nobody is suspected after NATS was away for all", () => {
  const { beats, suspicions, stop } = threeMembers();
  for (const boot of ["a", "b", "c"]) beats.unreached.add(boot);
  jest.advanceTimersByTime(30_000);
  expect(suspicions()).toEqual(["", "", ""]);
  beats.unreached.clear();
  for (let i = 0; i < 50; i++) {
    jest.advanceTimersByTime(100);
    expect(suspicions()).toEqual(["", "", ""]);
  }
  stop();
});
