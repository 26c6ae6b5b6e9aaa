import type { RoleCounts } from "@carillon/local";
import type { DiskKind } from "./inject/disk";
import type { Bound } from "./measure";
import type { PlannedFault } from "./plan";

/** Rows of the fault matrix (docs/guarantees.md); each must have been struck in a whole run. */
export const ROWS = {
  "gateway killed": "kill -9 of a gateway with clients",
  "worker killed": "kill -9 of a worker, in the middle of a batch and at each step",
  "archiver killed": "kill -9 of an archiver, between commit and acknowledgement too",
  "NATS killed": "kill -9 and restart of NATS, under load",
  "NATS server killed": "kill -9 of one of three NATS servers: of a leader, of a follower",
  "NATS without majority": "kill -9 of two of three NATS servers, and of all",
  "NATS server returns": "one of three NATS servers was away for half a minute, and is back",
  "NATS servers restarted": "three NATS servers are restarted one after the other",
  "host vanished": "the host of a gateway is gone without a FIN, for three times its lease",
  "nodes paused": "pause of 2 x ttl: worker, gateway, archiver",
  "stores paused": "pause of 30 s: NATS, Redis, MySQL",
  "links cut": "a link is cut, both ways and one way: worker-NATS, gateway-NATS, worker-Redis",
  "one-way cut": "for 40 s bytes go one way only between a worker and NATS, each way once",
  "link cut for long": "worker-Redis is cut for longer than the replay window",
  "acknowledgements lost": "what NATS answers does not arrive, or late, and is asked for again",
  "Redis wiped": "FLUSHALL under traffic",
  "Redis killed": "kill -9 of Redis, and the last second missing",
  "delivery stands still": "the inbox of one user refuses every event; Redis is full and refuses every write",
  "logs purged": "all logs are purged by hand, and their owners die",
  "MySQL down": "MySQL is down for long, and its backlog is drained",
  "nodes come and go": "join, leave, drain, rolling restart of every role",
  "all clients cut": "all clients lose their connections at once",
  "slow reader, hot conversation": "one client does not read, one conversation is busy",
  "stores restored": "NATS or MySQL is empty or older than the cluster, as after a restore",
  "clock shifted": "the wall clock of a process is an hour ahead, then an hour back",
  "client clock wrong": "the wall clock of a client is an hour ahead, or an hour back",
  "stream full": "a log is at its max_bytes",
  "disk full": "the disk of NATS is really full",
  "power lost": "what NATS had not fsynced is gone",
  "groups change": "members come and go while all write, and processes die",
  "large groups change": "groups cross the limit of fan-out on write both ways, messages are taken back, processes die",
  poison: "a request that kills every worker which reads it",
  "devices revoked": "devices are logged out and lost under load, while gateways are cut off and an api dies",
  "pairs and mixtures": "faults that overlap, by a seeded schedule",
} as const;

export type Row = keyof typeof ROWS;

export interface LoadShape {
  sdkPairs: number;
  rawPairs: number;
  groups: number;
  /** Messages per second. */
  rate: number;
}

/** A fault, or several, under load, with the bounds that have to hold. */
export interface Scenario {
  name: string;
  row: Row;
  /** A pure function of the seed. */
  plan(seed: number): PlannedFault[];
  bounds: Bound[];
  /** Links lead through proxies. */
  links?: boolean;
  load?: Partial<LoadShape>;
  counts?: Partial<RoleCounts>;
  /** Further settings of our processes. */
  env?: Record<string, string>;
  /** A disk of its own for NATS. */
  disk?: DiskKind;
  /** NATS is a cluster of so many servers. */
  natsServers?: 3;
  /** How long the load is written before the first fault, ms. */
  warmUpMs?: number;
  /** How long the load goes on after the last fault is healed, ms. */
  afterMs?: number;
}
