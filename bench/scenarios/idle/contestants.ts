/** The servers whose idle connections are measured: Carillon's one gateway over each transport, and the peers. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ClusterShape, say } from "../../cluster/bench-cluster";
import { carillon, withCluster } from "../../cluster/carillon-contestant";
import { addressOf, devicesOf } from "../../generator/devices/crowd-of";
import type { Transport } from "../../generator/devices/device";
import { DeviceCrowd } from "../../generator/devices/device-crowd";
import { Generator } from "../../generator/generator";
import type { Contestant, RunningContestant, Tier } from "../../peers/contestant";

/** One process holds 20,000 open files at most on a small machine. */
const GENERATORS = 2;

const NAMES = { tcp: "TCP", ws: "WebSocket", udp: "UDP" };

/** A running server, with clients that are not connected yet. */
export interface IdleServer {
  server: RunningContestant;
  /** Pids of the load generator. */
  generatorPids: number[];
  /** Connects and logs in the clients with these numbers; resolves when all are connected. */
  open(from: number, to: number): Promise<void>;
  /** Returns the faults of connections since then, including lost connections. */
  faults(): Promise<string[]>;
}

export interface IdleContestant {
  name: string;
  tier: Tier;
  description: string;
  /** Kind of the processes that hold the connections. */
  front: string;
  /** The transport of Carillon; peers have none. */
  transport?: Transport;
  /** Starts a server with this number of clients, has it measured, and removes it. */
  with<T>(clients: number, measure: (idle: IdleServer) => Promise<T>): Promise<T>;
}

/** Returns Carillon with one gateway, and devices over one transport. */
export function ownContestant(transport: Transport, shape: ClusterShape): IdleContestant {
  const oneGateway = { ...shape, gateways: 1 };
  const { tier, front, describe } = carillon(oneGateway);
  return {
    name: `carillon ${NAMES[transport]}`,
    tier,
    front,
    description: describe(),
    transport,
    with: (clients, measure) =>
      withCluster(oneGateway, async (cluster, server) => {
        const crowd = new DeviceCrowd();
        try {
          const names = Array.from({ length: clients }, (_, i) => `idle-${i}`);
          await cluster.register(names);
          const specs = devicesOf(cluster, names, transport);
          return await measure({
            server,
            generatorPids: crowd.pids,
            open: (from, to) =>
              crowd.open(specs.slice(from, to), ({ connected }) =>
                say(`${transport}: ${connected} of ${clients} connected`),
              ),
            faults: () => faultsOf(crowd, transport, clients),
          });
        } finally {
          crowd.close();
        }
      }),
  };
}

async function faultsOf(crowd: DeviceCrowd, transport: Transport, clients: number): Promise<string[]> {
  const { connected, retries, errors } = await crowd.progress();
  if (retries > 0) say(`${transport}: ${retries} devices had to connect again`);
  return connected < clients ? [`${clients - connected} of ${clients} are not connected`, ...errors] : errors;
}

/** Returns a peer with the clients and the settings of private messages. */
export function peerContestant(peer: Contestant): IdleContestant {
  const { name, tier, front } = peer;
  return {
    name,
    tier,
    front,
    // The version of a peer is known after its installation.
    get description() {
      return peer.describe();
    },
    with: async (clients, measure) => {
      const directory = mkdtempSync(path.join(tmpdir(), "carillon-bench-"));
      try {
        const server = await peer.start(directory, say);
        const generator = Generator.start(GENERATORS);
        try {
          const specs = (await server.clients(clients)).map((spec, i) => ({ ...spec, localAddress: addressOf(i) }));
          return await measure({
            server,
            generatorPids: generator.pids,
            open: (from, to) => {
              say(`${name}: connecting ${to - from} clients`);
              return generator.open(server.protocolFile, specs.slice(from, to));
            },
            faults: async () => (await generator.progress()).errors,
          });
        } finally {
          generator.close();
          await server.stop();
        }
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
  };
}
