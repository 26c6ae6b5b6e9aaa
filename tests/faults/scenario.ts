import type { RoleCounts } from "@carillon/local";
import type { DiskKind } from "./inject/disk";
import type { Bound } from "./measure";
import type { PlannedFault } from "./plan";

/** Rows of the fault matrix (docs/guarantees.md). A run of all scenarios must strike each of them. */
export const ROWS = {
  "gateway killed": "kill -9 of a gateway with clients",
  "worker killed": "kill -9 of a worker, in the middle of a batch and at each step",
  "archiver killed": "kill -9 of an archiver, also between commit and acknowledgement",
  "NATS killed": "kill -9 and restart of NATS, under load",
  "NATS server killed": "kill -9 of one of three NATS servers: of a leader, of a follower",
  "NATS without majority": "kill -9 of two of three NATS servers, and of all",
  "NATS server returns": "one of three NATS servers is away for half a minute and returns",
  "NATS servers restarted": "three NATS servers are restarted one after the other",
  "host vanished": "the host of a gateway disappears without a FIN, for three times its lease",
  "nodes paused": "pause of 2 x ttl: worker, gateway, archiver",
  "stores paused": "pause of 30 s: NATS, Redis, MySQL",
  "links cut": "a link is cut, both ways and one way: worker-NATS, gateway-NATS, worker-Redis",
  "one-way cut": "for 40 s bytes pass in one direction only between a worker and NATS, each direction once",
  "link cut for long": "worker-Redis is cut for longer than the replay window",
  "acknowledgements lost": "answers of NATS do not arrive, or arrive late, and the asker repeats its question",
  "Redis wiped": "FLUSHALL under traffic",
  "Redis killed": "kill -9 of Redis, also with loss of the last second",
  "delivery stands still": "the inbox of one user refuses every event; Redis is full and refuses every write",
  "logs purged": "an operator purges all logs, and their owners die",
  "MySQL down": "MySQL is down for a long time; then the archiver drains the backlog",
  "nodes come and go": "join, leave, drain, rolling restart of every role",
  "all clients cut": "all clients lose their connections at once",
  "slow reader, hot conversation": "one client does not read, and one conversation is very busy",
  "stores restored": "NATS or MySQL is empty or older than the cluster, as after a restore",
  "clock shifted": "the wall clock of a process is an hour ahead, then an hour back",
  "client clock wrong": "the wall clock of a client is an hour ahead, or an hour back",
  "stream full": "a log is at its max_bytes",
  "disk full": "the disk of NATS is really full",
  "power lost": "all data that NATS had not fsynced is gone",
  "groups change": "members join and leave while all members write, and processes die",
  "large groups change":
    "groups cross the limit of fan-out on write in both directions, messages are recalled, processes die",
  poison: "a request kills every worker that reads it",
  "devices revoked": "users log devices out under load, while gateways are cut off and an api dies",
  "pairs and mixtures": "overlapping faults by a seeded schedule",
} as const;

export type Row = keyof typeof ROWS;

export interface LoadShape {
  sdkPairs: number;
  rawPairs: number;
  groups: number;
  /** Messages per second. */
  rate: number;
}

/** One fault or several under load, with the bounds that must hold. */
export interface Scenario {
  name: string;
  row: Row;
  /** A pure function of the seed. */
  plan(seed: number): PlannedFault[];
  bounds: Bound[];
  /** Whether links lead through proxies. */
  links?: boolean;
  load?: Partial<LoadShape>;
  counts?: Partial<RoleCounts>;
  /** Further settings of the processes. */
  env?: Record<string, string>;
  /** A disk of its own for NATS. */
  disk?: DiskKind;
  /** Number of servers of the NATS cluster. */
  natsServers?: 3;
  /** Time of load before the first fault, ms. */
  warmUpMs?: number;
  /** Time of load after the last fault is healed, ms. */
  afterMs?: number;
}
