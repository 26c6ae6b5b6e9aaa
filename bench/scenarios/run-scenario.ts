/** The scenarios by name, with their default options and the functions that run them. */
import type { ClusterShape } from "../cluster/bench-cluster";
import { carillon } from "../cluster/carillon-contestant";
import type { ClosedBy } from "../generator/load-loop";
import { peers } from "../peers";
import type { Contestant } from "../peers/contestant";
import { newResultPath, type Outcome } from "../report/result";
import { runArchive } from "./archive";
import { runCold } from "./cold";
import { runGroup } from "./group";
import { runIdle } from "./idle";
import { runLogins } from "./logins";
import { runPrivate } from "./private";
import { runQuick } from "./quick";
import { runReceipts } from "./receipts";
import { runScale } from "./scale";
import { runStorm } from "./storm";
import { runSync } from "./sync";

export type Scenario = keyof typeof DEFAULTS;

/** The defaults that differ between scenarios: users, seconds, messages missed by a device. */
const DEFAULTS = {
  private: { clients: 500, seconds: 15, missed: 0 },
  // Each SEND and each RECEIVED of an open loop is a write of its own: fewer clients leave more of the machine to the servers.
  latency: { clients: 100, seconds: 15, missed: 0 },
  quick: { clients: 500, seconds: 5, missed: 0 },
  group: { clients: 500, seconds: 15, missed: 0 },
  "large-group": { clients: 10_000, seconds: 15, missed: 0 },
  idle: { clients: 18_000, seconds: 60, missed: 0 },
  storm: { clients: 10_000, seconds: 0, missed: 20 },
  "sync-storm": { clients: 10_000, seconds: 0, missed: 20 },
  logins: { clients: 100, seconds: 30, missed: 0 },
  sync: { clients: 40, seconds: 0, missed: 1_000 },
  archive: { clients: 500, seconds: 20, missed: 0 },
  scale: { clients: 500, seconds: 10, missed: 0 },
  receipts: { clients: 100, seconds: 15, missed: 0 },
  cold: { clients: 500, seconds: 10, missed: 0 },
};

/** The scenarios of `all` in their order: those that answer targets come first, and `quick` would be `private` once more. */
const ALL = Object.keys(DEFAULTS).filter((name) => name !== "quick") as Scenario[];

/** Messages of one client under way at once. */
const UNDER_WAY = 4;
/** The clients of a measured closed loop have this number of messages under way together, however few clients there are. */
const UNDER_WAY_TOGETHER = 2_000;
const MOST_UNDER_WAY = 40;

/** The options of the command line; undefined: the default of the scenario. */
export interface Asked extends ClusterShape {
  clients: number | undefined;
  seconds: number | undefined;
  missed: number | undefined;
  rate: number | undefined;
  inFlight: number | undefined;
  /** Numbers of partners of each client of `cold`; empty: the default of the scenario. */
  partners: number[];
  /** The event that closes the loop of `private`. */
  closedBy: ClosedBy;
  focused: number;
  reads: number;
  rounds: number;
  generators: number;
  against: string | undefined;
  /** A part, 0.15 for 15 %. */
  tolerance: number;
  peers: boolean;
  /** Whether to measure Carillon without fsync before SENT, too, in turns with the usual one. */
  t1: boolean;
  /** Whether to measure Carillon with TLS towards clients, too, in turns with the usual one. */
  withTls: boolean;
  /** The same for clients over UDP. */
  withUdp: boolean;
  /** Client counts at which each peer is measured; empty: the count of Carillon. */
  peerClients: number[];
  profile: boolean;
  json: boolean;
}

export function isScenario(name: string | undefined): name is Scenario {
  return name !== undefined && Object.hasOwn(DEFAULTS, name);
}

export function runScenario(name: Scenario, asked: Asked): Promise<Outcome> {
  const defaults = DEFAULTS[name];
  const clients = asked.clients ?? defaults.clients;
  const seconds = asked.seconds ?? defaults.seconds;
  const shape = { ...asked, clients, seconds, missed: asked.missed ?? defaults.missed };
  switch (name) {
    case "private":
    case "latency":
    case "quick":
    case "scale":
      return runOneToOne(name, shape);
    case "cold":
      return runCold({
        ...shape,
        inFlight: asked.inFlight ?? UNDER_WAY,
        partners: asked.partners.length > 0 ? asked.partners : [1, 20, clients - 1],
      });
    case "receipts":
      return runReceipts({ ...shape, rate: asked.rate ?? 500 });
    case "sync":
      return runSync(shape);
    case "idle":
      return runIdle(asked.peers ? peers : [], shape);
    case "storm":
      return runStorm({ ...shape, syncs: false });
    case "sync-storm":
      return runStorm({ ...shape, syncs: true });
    case "logins":
      return runLogins({ ...shape, rate: asked.rate ?? 200 });
    case "archive":
      return runArchive({ ...shape, inFlight: asked.inFlight ?? UNDER_WAY });
    case "group":
    case "large-group": {
      const isLarge = name === "large-group";
      const focused = isLarge ? Math.min(asked.focused, clients) : 0;
      return runGroup({ ...shape, rate: asked.rate ?? 20, isLarge, members: clients, focused });
    }
  }
}

function runOneToOne(
  name: "private" | "latency" | "quick" | "scale",
  asked: Asked & { clients: number; seconds: number },
): Promise<Outcome> {
  const { clients, seconds, rounds, generators, json, against, tolerance } = asked;
  const inFlight = asked.inFlight ?? underWay(name, clients);
  const rate = name === "latency" ? (asked.rate ?? ("half" as const)) : undefined;
  const profile = asked.profile ? newResultPath("-profiles") : undefined;
  const { closedBy } = asked;
  const options = { clients, seconds, rounds, generators, json, inFlight, closedBy, rate, profile };
  if (name === "quick") return runQuick(carillon(asked), { ...options, against, tolerance });
  if (name === "scale") return runScale(asked, options);
  const unsafe = asked.t1 ? [carillon({ ...asked, tier: "T1" }, "carillon T1")] : [];
  const encrypted = asked.withTls ? [carillon({ ...asked, tls: true }, "carillon TLS")] : [];
  const datagrams = asked.withUdp ? [carillon({ ...asked, udp: true }, "carillon UDP")] : [];
  const others = asked.peers ? peersAt(asked.peerClients) : [];
  return runPrivate([carillon(asked), ...unsafe, ...encrypted, ...datagrams, ...others], options);
}

/** `latency` takes half of the rate that a closed loop reaches, so its clients wait for their messages as in `private`. */
function underWay(name: Scenario, clients: number): number {
  if (name === "latency") return UNDER_WAY;
  return Math.min(MOST_UNDER_WAY, Math.max(UNDER_WAY, Math.ceil(UNDER_WAY_TOGETHER / clients)));
}

/** Returns each peer at each of the client counts, so that its best count can be chosen. */
function peersAt(counts: number[]): Contestant[] {
  if (counts.length === 0) return peers;
  return peers.flatMap((peer) =>
    counts.map((clientCount) => ({ ...peer, clientCount, name: `${peer.name} x ${clientCount}` })),
  );
}

/** Runs all scenarios one after the other; the failure of a scenario does not prevent the next ones. */
export async function runAll(asked: Asked, onError: (name: Scenario, error: Error) => void): Promise<Outcome> {
  const outcome: Outcome = { ok: true, targets: [] };
  for (const name of ALL) {
    try {
      const { ok, targets } = await runScenario(name, asked);
      outcome.ok &&= ok;
      outcome.targets.push(...targets);
    } catch (error) {
      outcome.ok = false;
      onError(name, error as Error);
    }
  }
  return outcome;
}
