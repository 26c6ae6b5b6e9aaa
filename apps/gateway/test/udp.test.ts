/** Tickets and addresses of clients over UDP. */
import { TimerWheel } from "@carillon/base";
import { udp } from "@carillon/udp";
import { UdpPath } from "../src/accept/udp/udp-path";
import { UdpTickets } from "../src/accept/udp/udp-tickets";

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
