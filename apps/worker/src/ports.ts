/**
 * The ports through which the partitions of a worker reach the world. There are two worlds: worker.ts connects them to NATS, Redis and
 * MySQL, and the simulation (tests/simulation) to simulated ones.
 */
import type { Announcement, Answer, Bus, GroupNews, Push } from "@carillon/bus";
import type { Inboxes, RecentEvents } from "@carillon/store";
import type { Policy } from "./decide/authorize";
import type { Verdict } from "./decide/decision";
import type { GroupCasts } from "./fan-out/large-groups";
import type { FactCache } from "./lookups/fact-cache";
import type { GroupSource } from "./lookups/group-cache";

/** The placement of partitions and workers, by the view of the moment. */
export interface Placement {
  isMine(partition: number): boolean;
  /** Whether it will be, unless a worker comes back whose heartbeat was missed. */
  willBeMine(partition: number): boolean;
  /** Whether anybody else will take it. */
  hasSuccessor(partition: number): boolean;
  /** Whether the worker of that boot is in the view and not suspected. */
  isAlive(boot: string): boolean;
  /** Whether the worker of that boot is in the view, suspected or not. */
  isPresent(boot: string): boolean;
}

/** Messages of a worker to gateways. */
export interface Downlink {
  /** Answers to the connections of one boot of a gateway. */
  answers(gateway: string, boot: string, answers: Answer[]): void;
  /** Events for users who are at this gateway. */
  pushes(gateway: string, pushes: Push[]): void;
  /** Tells all gateways of inboxes that were made now: they may have devices that nobody is registered for. */
  announce(announcements: Announcement[]): void;
  /** Tells all gateways who belongs to large groups now. */
  groups(news: GroupNews[]): void;
  /** Pushes may be lost: gateways have to look what their users' inboxes hold. */
  renewLinks(): void;
}

export interface WorkerPorts {
  bus: Bus;
  nodeId: string;
  boot: string;
  partitions: number;
  policy: Policy;
  placement: Placement;
  downlink: Downlink;
  facts: FactCache;
  groupSource: GroupSource;
  inboxes: Inboxes;
  recent: RecentEvents;
  casts: Pick<GroupCasts, "cast">;
  /** How far each partition is archived; a partition that no archiver has claimed yet is missing. */
  archivePositions(): Promise<ReadonlyMap<number, { position: number }>>;
  /** Counts what became of requests. */
  onVerdicts(verdicts: Verdict[]): void;
  /** Shows operators who owns what. */
  post(partition: number, report: { owner: string; boot: string; epoch: number } & object): Promise<void>;
}
