/** Tests of the connection parts that need no server: heartbeat, hand-over, close codes. */
import { Command, type ConnectPayload, encodeFrame, type GatewayAddress, parseRequest } from "@carillon/protocol";
import { Heartbeat } from "../src/connection/heartbeat";
import type { ClientState } from "../src/connection/keeper";
import { Keeper } from "../src/connection/keeper";
import type { Link, LinkEvents } from "../src/connection/transport";
import { connected } from "./fixtures/connected";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const address = (gatewayId: string): GatewayAddress => ({
  gatewayId,
  ws: `ws://${gatewayId}/ws`,
  tcp: `${gatewayId}:1`,
});

/** A gateway in this process: it answers CONNECT, and sends what the test says. */
class FakeLink implements Link {
  private events: LinkEvents | undefined;
  greeting: ConnectPayload | undefined;
  isClosed = false;

  constructor(
    readonly gatewayId: string,
    private readonly answer: (link: FakeLink, greeting: ConnectPayload, requestId: number) => void,
  ) {}

  attach(events: LinkEvents): void {
    this.events = events;
  }

  send(bytes: Uint8Array): void {
    const [command, requestId] = [bytes[7] as number, bytes[11] as number];
    const message = parseRequest(command, bytes.subarray(12));
    if ("error" in message || message.command !== Command.CONNECT) return;
    this.greeting = message.payload;
    this.answer(this, message.payload, requestId);
  }

  close(code?: number): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.events?.onClosed(code);
  }

  say(command: number, payload: object, requestId = 0): void {
    const frame = encodeFrame(command, requestId, payload);
    this.events?.onFrame({ command, requestId, payload: frame.subarray(12) });
  }

  accept(requestId: number): void {
    this.say(Command.CONNECTED, connected(this.gatewayId), requestId);
  }
}

type Answer = ConstructorParameters<typeof FakeLink>[1];

function keeperOf(dead: string[], answer: Answer) {
  const links: FakeLink[] = [];
  const states: ClientState[] = [];
  let renewed = 0;
  let routes = 0;
  const keeper = new Keeper({
    transport: {
      open: async ({ gatewayId }) => {
        if (dead.includes(gatewayId)) throw new Error(`${gatewayId} is dead`);
        links.push(new FakeLink(gatewayId, answer));
        return links.at(-1) as FakeLink;
      },
    },
    route: async () => {
      routes++;
      return [address("first"), address("second")];
    },
    greeting: async () => ({ token: "t", deviceId: "d", platform: "other" }),
    renewToken: async () => void renewed++,
    onOpen: () => {},
    onMessage: () => {},
    onState: (state) => void states.push(state),
    random: () => 0.5,
  });
  const ended = keeper.run().then(
    () => "stopped",
    (error: Error) => error,
  );
  return { keeper, links, states, ended, renewed: () => renewed, routes: () => routes };
}

const settle = (ms = 0) => jest.advanceTimersByTimeAsync(ms);
const accept: Answer = (link, _, requestId) => link.accept(requestId);

function heartbeatOf() {
  const [pings, losses]: [number[], number[]] = [[], []];
  const start = performance.now();
  const at = () => Math.round((performance.now() - start) / 1_000);
  const heartbeat = new Heartbeat({
    heartbeatMs: 30_000,
    ping: () => void pings.push(at()),
    lost: () => void losses.push(at()),
  });
  return { heartbeat, pings, losses };
}

test("the client sends PING after a silence, and gives up after two unanswered ones", async () => {
  const { heartbeat, pings, losses } = heartbeatOf();
  await settle(30_000);
  expect(pings).toEqual([30]);
  heartbeat.heard();
  await settle(60_000);
  expect([pings, losses]).toEqual([[30, 60, 65], [70]]);
  heartbeat.stop();
});

test("the client doubts the connection 3 s after an unanswered request, and gives it up after 9 s", async () => {
  const { heartbeat, pings, losses } = heartbeatOf();
  await settle(10_000);
  heartbeat.asked();
  await settle(1_000);
  heartbeat.asked();
  await settle(30_000);
  expect([pings, losses]).toEqual([[13, 16], [19]]);
  heartbeat.stop();
});

test("any frame is a sign of life, and a new request starts a new doubt", async () => {
  const { heartbeat, pings, losses } = heartbeatOf();
  heartbeat.asked();
  await settle(2_900);
  heartbeat.heard();
  await settle(20_000);
  expect(pings).toEqual([]);
  heartbeat.asked();
  await settle(4_000);
  heartbeat.heard();
  await settle(10_000);
  expect([pings, losses]).toEqual([[26], []]);
  heartbeat.stop();
});

test("a check that is late, because the page or the machine slept, decides nothing", async () => {
  const { heartbeat, pings, losses } = heartbeatOf();
  heartbeat.asked();
  await settle(6_000);
  expect(pings).toEqual([3, 6]);
  jest.spyOn(performance, "now").mockImplementation(() => 1_000_000);
  await settle(3_000);
  expect([pings.length, losses]).toEqual([3, []]);
  jest.restoreAllMocks();
  heartbeat.stop();
});

test("a doubt sends PING at once", async () => {
  const { heartbeat, pings, losses } = heartbeatOf();
  await settle(5_000);
  heartbeat.doubt();
  await settle(10_000);
  expect([pings, losses]).toEqual([[5, 8], [11]]);
  heartbeat.stop();
});

test("the client connects to the second gateway with fallback if the first is dead", async () => {
  const { keeper, links, states, ended } = keeperOf(["first"], accept);
  await settle();
  expect(links.map(({ gatewayId, greeting }) => [gatewayId, greeting?.fallback])).toEqual([["second", true]]);
  expect(states.at(-1)).toEqual({ name: "online", gatewayId: "second" });
  keeper.stop();
  expect(await ended).toBe("stopped");
});

test("after GOAWAY the client uses the old connection until the new one is open, then leaves it", async () => {
  const { keeper, links, states } = keeperOf([], accept);
  await settle();
  links[0]!.say(Command.GOAWAY, { reason: "rebalance", reconnectTo: address("third"), afterMs: 400, graceMs: 9_000 });
  await settle(399);
  expect([links.length, links[0]!.isClosed]).toEqual([1, false]);
  await settle(1);
  expect(links.map(({ gatewayId, isClosed }) => [gatewayId, isClosed])).toEqual([
    ["first", true],
    ["third", false],
  ]);
  expect(states.map(({ name }) => name)).toEqual(["connecting", "online", "online"]);
  keeper.stop();
});

test("after three wrong gateways in a row the next CONNECT says fallback", async () => {
  const { keeper, links } = keeperOf([], (link, { fallback }, requestId) => {
    if (fallback === true) return link.accept(requestId);
    const reconnectTo = address(link.gatewayId === "first" ? "second" : "first");
    link.say(Command.GOAWAY, { reason: "wrong-gateway", reconnectTo, afterMs: 0, graceMs: 0 }, requestId);
  });
  await settle();
  expect(links.map(({ greeting }) => greeting?.fallback ?? false)).toEqual([false, false, false, true]);
  keeper.stop();
});

test("the client reconnects after 40xx with back-off, after 41xx with a fresh token, after 42xx not at all", async () => {
  const { links, states, ended, renewed } = keeperOf([], accept);
  await settle();
  links[0]!.close(4002);
  await settle();
  expect(states.at(-1)).toMatchObject({ name: "waiting", retryInMs: 500 });
  await settle(500);
  expect([links.length, renewed()]).toEqual([2, 0]);
  links[1]!.say(Command.KICKED, { code: 4100, reason: "expired" });
  links[1]!.close(4100);
  await settle(5_000);
  expect([links.length, renewed()]).toEqual([3, 1]);
  links[2]!.say(Command.KICKED, { code: 4201, reason: "replaced" });
  links[2]!.close();
  expect(await ended).toMatchObject({ name: "Refused", code: 4201 });
  await settle(60_000);
  expect(links).toHaveLength(3);
});

test("back-off is random between 0.5 s and a bound that doubles up to 30 s; the route is asked each time", async () => {
  const { keeper, states, routes } = keeperOf(["first", "second"], accept);
  await settle(200_000);
  const delays = states.flatMap((state) => (state.name === "waiting" ? [state.retryInMs] : []));
  expect(delays.slice(0, 8)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  expect(routes()).toBe(states.filter(({ name }) => name === "connecting").length);
  keeper.stop();
});

test("after two unanswered PINGs the client opens another connection", async () => {
  const { keeper, links } = keeperOf([], accept);
  await settle(30_000 + 2 * 5_000 - 1);
  expect([links.length, links[0]!.isClosed]).toEqual([1, false]);
  await settle(1_000);
  expect([links.length, links[0]!.isClosed]).toEqual([2, true]);
  keeper.stop();
});

test("a gateway that did not answer any more has 3 s to open a session, then the client goes to the next", async () => {
  const { keeper, links } = keeperOf([], (link, _, requestId) => {
    if (link.gatewayId === "second" || links.length === 1) link.accept(requestId);
  });
  await settle(40_500 + 2_999);
  expect(links.map(({ gatewayId }) => gatewayId)).toEqual(["first", "first"]);
  await settle(1);
  expect(links.map(({ gatewayId }) => gatewayId)).toEqual(["first", "first", "second"]);
  expect(links[2]!.greeting?.fallback).toBe(true);
  keeper.stop();
});

test("after GOAWAY to a dead gateway the old connection stays in use until another one is open", async () => {
  const { keeper, links, routes } = keeperOf(["third"], accept);
  await settle();
  links[0]!.say(Command.GOAWAY, { reason: "drain", reconnectTo: address("third"), afterMs: 0, graceMs: 9_000 });
  await settle(400);
  expect([links.length, links[0]!.isClosed, keeper.current !== undefined]).toEqual([1, false, true]);
  await settle(200);
  expect([links.length, links[0]!.isClosed, routes()]).toEqual([2, true, 2]);
  keeper.stop();
});

test("after three GOAWAYs in a row on open sessions the next CONNECT says fallback", async () => {
  const { keeper, links } = keeperOf([], accept);
  await settle();
  for (const gatewayId of ["second", "first", "second"]) {
    links
      .at(-1)!
      .say(Command.GOAWAY, { reason: "rebalance", reconnectTo: address(gatewayId), afterMs: 0, graceMs: 9_000 });
    await settle(1);
  }
  expect(links.map(({ greeting }) => greeting?.fallback ?? false)).toEqual([false, false, false, true]);
  keeper.stop();
});

test("no deadline expires while no frame arrives: the connection ends, and the request fails with it", async () => {
  const { keeper, links } = keeperOf([], accept);
  await settle();
  const outcomes: string[] = [];
  const asked = keeper.current!.request(Command.SEND, {}, 2_000).catch((error: Error) => outcomes.push(error.name));
  await settle(8_999);
  expect(outcomes).toEqual([]);
  await settle(1);
  await asked;
  expect(outcomes).toEqual(["UNAVAILABLE"]);
  await settle(1_000);
  expect(links).toHaveLength(2);
  const late = keeper.current!.request(Command.SEND, {}, 2_000).catch((error: Error) => outcomes.push(error.name));
  links[1]!.say(Command.PONG, {});
  await settle(2_000);
  await late;
  expect(outcomes.at(-1)).toBe("UNAVAILABLE");
  keeper.stop();
});

test("the client follows the platform's events that the network is gone and back", async () => {
  const { keeper, links, states } = keeperOf([], accept);
  await settle();
  keeper.networkLost();
  await settle();
  expect(states.at(-1)).toMatchObject({ name: "waiting" });
  keeper.hurry();
  await settle();
  expect([links.length, states.at(-1)?.name]).toEqual([2, "online"]);
  keeper.stop();
});

test("the client keeps the wait that the server asked for, whatever the platform says", async () => {
  let isBusy = true;
  const { keeper, links } = keeperOf([], (link, _, requestId) => {
    if (!isBusy) return link.accept(requestId);
    link.say(Command.ERROR, { code: 1901, name: "BUSY", message: "wait", retryAfterMs: 5_000 }, requestId);
    isBusy = false;
  });
  await settle();
  keeper.hurry();
  await settle(4_999);
  expect(links).toHaveLength(1);
  await settle(2_000);
  expect(links).toHaveLength(2);
  keeper.stop();
});

test("an error that does not come from the network ends the client at once", async () => {
  const fault = new TypeError("gateways is not iterable");
  const keeper = new Keeper({
    transport: { open: () => Promise.reject(new Error("never asked")) },
    route: () => Promise.reject(fault),
    greeting: async () => ({ token: "t", deviceId: "d", platform: "other" }),
    renewToken: async () => {},
    onOpen: () => {},
    onMessage: () => {},
    onState: () => {},
  });
  const ended = expect(keeper.run()).rejects.toBe(fault);
  await settle();
  await ended;
});

test("a gateway on a slow network gets more time to accept a connection at each try: 5, 10, 15 s", async () => {
  const given: number[] = [];
  const open = async (_: unknown, openMs: number) => {
    given.push(openMs);
    throw new Error(`no answer within ${openMs} ms`);
  };
  const keeper = new Keeper({
    transport: { open },
    route: async () => [{ gatewayId: "g", ws: "ws://g", tcp: "g:1" }],
    greeting: async () => ({ token: "t", deviceId: "d", platform: "other" }),
    renewToken: async () => {},
    onOpen: () => {},
    onMessage: () => {},
    onState: () => {},
  });
  const running = keeper.run();
  await settle(120_000);
  keeper.stop();
  await running;
  expect(given.slice(0, 4)).toEqual([5_000, 10_000, 15_000, 15_000]);
});

test("stop ends the client during any wait", async () => {
  const keeper = new Keeper({
    transport: { open: () => new Promise(() => {}) },
    route: () => new Promise(() => {}),
    greeting: async () => ({ token: "t", deviceId: "d", platform: "other" }),
    renewToken: async () => {},
    onOpen: () => {},
    onMessage: () => {},
    onState: () => {},
  });
  const running = keeper.run();
  await settle(1_000);
  keeper.stop();
  await running;
});
