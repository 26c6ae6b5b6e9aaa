/** Two endpoints over a simulated network with a clock of its own. */
import { randomBytes } from "node:crypto";
import { seeded } from "@carillon/testkit";
import fc from "fast-check";
import { UdpEndpoint } from "../src/endpoint";
import { udp } from "../src/sizes";

interface Network {
  loss: number;
  doubled: number;
  delayMs: number;
}

class World {
  now = 1_000;
  readonly datagrams: Buffer[] = [];
  private readonly events: { at: number; run: () => void }[] = [];
  readonly client: Side;
  readonly gateway: Side;

  constructor(
    readonly network: Network,
    readonly random: () => number,
  ) {
    const ticket = { ticketId: randomBytes(udp.ticketBytes), key: randomBytes(udp.keyBytes) };
    this.client = new Side(this, "client", ticket, () => this.gateway);
    this.gateway = new Side(this, "gateway", ticket, () => this.client);
  }

  later(ms: number, run: () => void): void {
    this.events.push({ at: this.now + ms, run });
  }

  /** Runs until nothing happens any more. @returns whether that came to pass in the given time */
  settle(mostMs: number): boolean {
    const end = this.now + mostMs;
    while (this.events.length > 0) {
      this.events.sort((a, b) => a.at - b.at);
      if (this.events[0]!.at > end) break;
      const { at, run } = this.events.shift()!;
      this.now = Math.max(this.now, at);
      run();
    }
    return this.events.length === 0;
  }

  /** Takes a datagram along, as the network does. */
  carry(datagram: Buffer, to: Side): void {
    this.datagrams.push(datagram);
    const { loss, doubled, delayMs } = this.network;
    if (this.random() < loss) return;
    for (let copy = this.random() < doubled ? 2 : 1; copy > 0; copy--) {
      this.later(this.random() * delayMs, () => to.receive(datagram));
    }
  }
}

class Side {
  readonly endpoint: UdpEndpoint;
  readonly got: Buffer[] = [];
  closedBy: number | undefined;
  readonly echoes: Buffer[] = [];
  private timer = 0;

  constructor(
    world: World,
    side: "client" | "gateway",
    ticket: ConstructorParameters<typeof UdpEndpoint>[1],
    other: () => Side,
  ) {
    const owner = {
      budget: Number.POSITIVE_INFINITY,
      transmit: (datagram: Buffer) => world.carry(datagram, other()),
      setTimer: (ms: number | undefined) => {
        const mine = ++this.timer;
        if (ms === undefined) return;
        world.later(ms, () => {
          if (this.timer === mine) this.endpoint.onTimer();
        });
      },
      now: () => world.now,
    };
    this.endpoint = new UdpEndpoint(side, ticket, owner, {
      onGenuine: () => true,
      onBytes: (bytes) => this.got.push(bytes),
      onEcho: (token) => this.echoes.push(token),
      onClose: (code) => {
        this.closedBy = code;
      },
    });
  }

  receive(datagram: Buffer): void {
    this.endpoint.receive(datagram);
    this.endpoint.settle();
  }

  write(bytes: Buffer): void {
    this.endpoint.write(bytes);
    this.endpoint.flush();
  }
}

test("whatever the network loses, doubles and turns around, both streams arrive whole", () => {
  const network = fc.record({
    loss: fc.double({ min: 0, max: 0.4, noNaN: true }),
    doubled: fc.double({ min: 0, max: 0.3, noNaN: true }),
    delayMs: fc.integer({ min: 0, max: 200 }),
  });
  const writes = fc.array(fc.integer({ min: 0, max: 70_000 }), { maxLength: 6 });
  fc.assert(
    fc.property(network, writes, writes, fc.integer(), (bad, up, down, seed) => {
      const world = new World(bad, seeded(seed));
      const sent = { up: up.map((length) => randomBytes(length)), down: down.map((length) => randomBytes(length)) };
      for (const bytes of sent.up) world.client.write(bytes);
      for (const bytes of sent.down) world.gateway.write(bytes);
      // Ten times the time that the worst of these networks needs.
      expect(world.settle(6_000_000)).toBe(true);
      expect(Buffer.concat(world.gateway.got).equals(Buffer.concat(sent.up))).toBe(true);
      expect(Buffer.concat(world.client.got).equals(Buffer.concat(sent.down))).toBe(true);
      expect([world.client.endpoint.waitingBytes, world.gateway.endpoint.waitingBytes]).toEqual([0, 0]);
      expect(world.datagrams.every(({ length }) => length <= udp.datagramBytes)).toBe(true);
    }),
    { numRuns: 150 },
  );
});

const still = () => new World({ loss: 0, doubled: 0, delayMs: 0 }, () => 0.5);

test("on a good network nothing is sent twice, and an acknowledgement travels with the answer", () => {
  const world = still();
  world.client.write(Buffer.from("question"));
  world.settle(0.001);
  world.gateway.write(Buffer.from("answer"));
  world.settle(1_000);
  // The question, the answer, the acknowledgement of the answer.
  expect(world.datagrams).toHaveLength(3);
});

test("a datagram counts once, and one that was changed does not count", () => {
  const world = still();
  world.client.write(Buffer.from("once"));
  const [datagram] = world.datagrams as [Buffer];
  expect(world.gateway.endpoint.receive(datagram)).toBe("genuine");
  expect(world.gateway.endpoint.receive(datagram)).toBe("repeated");
  for (let at = udp.ticketBytes; at < datagram.length; at++) {
    const changed = Buffer.from(datagram);
    changed[at]! ^= 1;
    expect(["forged", "repeated"]).toContain(world.gateway.endpoint.receive(changed));
  }
  // What one side sends does not open at the side itself.
  expect(world.client.endpoint.receive(datagram)).toBe("forged");
  expect(Buffer.concat(world.gateway.got).toString()).toBe("once");
});

test("a challenge comes back", () => {
  const world = still();
  const token = randomBytes(udp.challengeBytes);
  world.gateway.endpoint.challenge(token);
  world.settle(1_000);
  expect(world.gateway.echoes).toEqual([token]);
});

test("the other side hears of a close, also when the word was lost", () => {
  const world = still();
  world.network.loss = 1;
  world.gateway.endpoint.close(4_001);
  world.network.loss = 0;
  world.settle(1_000);
  expect(world.client.closedBy).toBeUndefined();
  world.client.write(Buffer.from("are you there?"));
  world.settle(10);
  expect(world.client.closedBy).toBe(4_001);
});
