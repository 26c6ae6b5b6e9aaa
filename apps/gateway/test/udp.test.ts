/** Tickets and addresses of clients over UDP, and the failure of one of them. */
import { onCaught, TimerWheel } from "@carillon/base";
import { silentLogger } from "@carillon/base/node";
import { CloseCode, Command, encodeFrame } from "@carillon/protocol";
import { until } from "@carillon/testkit";
import { UdpSocket, udp } from "@carillon/udp";
import { Doorkeeper } from "../src/accept/doorkeeper";
import { DroppedDatagrams } from "../src/accept/udp/dropped-datagrams";
import { listenUdp } from "../src/accept/udp/udp-listener";
import { UdpPath } from "../src/accept/udp/udp-path";
import { UdpTickets } from "../src/accept/udp/udp-tickets";
import { readListeners } from "../src/listeners";

describe("tickets", () => {
  let now: number;
  let wheel: TimerWheel;
  let tickets: UdpTickets;
  beforeEach(() => {
    now = 0;
    wheel = new TimerWheel(100, 512, () => now);
    tickets = new UdpTickets(wheel);
  });
  const issue = (deviceId: string) => {
    const { ticketId, key, expiresIn } = tickets.issue({ userId: "alice", deviceId });
    expect([ticketId.length, key.length, expiresIn]).toEqual([udp.ticketBytes, udp.keyBytes, 60]);
    return Buffer.from(ticketId).toString("hex");
  };

  test("a ticket is found until it is used, or a minute has passed", () => {
    const [used, unused] = [issue("phone"), issue("laptop")];
    expect(tickets.find(used)?.owner).toEqual({ userId: "alice", deviceId: "phone" });
    tickets.remove(used);
    expect(tickets.find(used)).toBeUndefined();
    now = 59_000;
    wheel.advance();
    expect(tickets.find(unused)).toBeDefined();
    now = 61_000;
    wheel.advance();
    expect(tickets.find(unused)).toBeUndefined();
  });

  test("a device has one unused ticket: the last", () => {
    const [first, other, second] = [issue("phone"), issue("laptop"), issue("phone")];
    expect([first, other, second].map((id) => tickets.find(id) !== undefined)).toEqual([false, true, true]);
    // The removal of the first must not have taken the place of the second.
    tickets.remove(first);
    expect(tickets.find(issue("tablet"))).toBeDefined();
    expect(tickets.find(second)).toBeDefined();
  });

  test("too many unused tickets are BUSY, until some are gone", () => {
    for (let i = 0; i < 20_000; i++) issue(`d${i}`);
    expect(() => issue("one more")).toThrow(expect.objectContaining({ name: "BUSY" }));
    expect(() => issue("d7")).not.toThrow();
    now = 61_000;
    wheel.advance();
    expect(() => issue("one more")).not.toThrow();
  });
});

describe("the address of a client", () => {
  const here = { address: "192.0.2.1", port: 5_000 };

  test("gets three times what came from it, and without bounds once a challenge has come back from there", () => {
    const path = new UdpPath(here);
    expect(path.maySend(1)).toBe(false);
    path.received(100);
    expect([path.maySend(300), path.maySend(301)]).toEqual([true, false]);
    path.sent(250);
    expect([path.maySend(50), path.maySend(51)]).toEqual([true, false]);
    const token = path.challenge(0)!;
    path.prove(token, { ...here, port: 5_001 });
    path.prove(Buffer.alloc(udp.challengeBytes), here);
    expect(path.maySend(51)).toBe(false);
    path.prove(token, here);
    expect([path.maySend(1_000_000), path.budget]).toEqual([true, Number.POSITIVE_INFINITY]);
  });

  test("is challenged again after a while, until it is proven; the stream leaves room for that", () => {
    const path = new UdpPath(here);
    path.received(1_000);
    expect(path.budget).toBeLessThan(3_000 - 100);
    const token = path.challenge(0)!;
    expect(path.challenge(199)).toBeUndefined();
    expect(path.challenge(200)).toEqual(token);
    path.prove(token, here);
    expect(path.challenge(10_000)).toBeUndefined();
  });
});

test("an error in the work of one client ends its session, and no other", async () => {
  const wheel = new TimerWheel();
  const tickets = new UdpTickets(wheel);
  const clock = { monotonic: () => performance.now() };
  const metrics = { refusedConnections: { inc: () => {} }, droppedDatagrams: { inc: () => {} } } as never;
  const logger = silentLogger();
  const bounds = { inAll: 10, perAddress: 10 };
  const [config] = readListeners({
    ...{ trustProxy: [] },
    listeners: [
      { transport: "udp", host: "127.0.0.1", port: 0 },
      { transport: "ws", host: "127.0.0.1", port: 0 },
    ],
  } as never);
  const listener = await listenUdp({
    ...{ listener: config!, mostQueuedBytes: 1_000_000, patienceMs: 300, tickets, wheel, clock },
    door: new Doorkeeper({ bounds, trustProxy: [], patienceMs: 300, metrics, logger }),
    dropped: new DroppedDatagrams({ metrics, logger, clock }),
    accept: (connection) =>
      connection.attach({
        onFrame: ({ requestId }) => {
          if (requestId === 13) throw new Error("this client is unlucky");
          connection.send(encodeFrame(Command.PONG, requestId, { serverTime: 1 }));
        },
        ...{ onFault: () => {}, onClosed: () => {}, onDrained: () => {}, onControl: () => true },
      }),
  });
  const open = async (deviceId: string) => {
    const seen = { bytes: 0, code: undefined as number | undefined };
    const socket = await UdpSocket.open(listener.address, tickets.issue({ userId: "alice", deviceId }), 5_000, {
      onBytes: ({ length }) => {
        seen.bytes += length;
      },
      onClosed: (code) => {
        seen.code = code;
      },
    });
    return { socket, seen };
  };
  const caught: unknown[] = [];
  const restore = onCaught(({ error }) => caught.push(error));
  const [unlucky, other] = [await open("unlucky"), await open("other")];
  unlucky.socket.write(encodeFrame(Command.PING, 13, {}));
  await until("the session has ended", () => unlucky.seen.code !== undefined);
  other.socket.write(encodeFrame(Command.PING, 1, {}));
  await until("the other is answered", () => other.seen.bytes > 0);
  expect([unlucky.seen.code, other.seen.code, caught.length]).toEqual([CloseCode.INTERNAL, undefined, 1]);
  restore();
  other.socket.destroy();
  await listener.close();
});
