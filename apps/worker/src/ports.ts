/**
 * How the partitions of a worker are wired to the world: which of their questions and effects goes where. The simulation
 * wires its workers with this, too, over simulated stores, so that what mixes partitions up is seen there.
 */
import type { Announcement, Answer, Bus, GroupNews, OwnerQuestion, Push } from "@carillon/bus";
import { ask, ownerSubject, readLastRecord } from "@carillon/bus";
import type { Inboxes, RecentEvents } from "@carillon/store";
import type { Policy } from "./decide/authorize";
import type { Verdict } from "./decide/decision";
import type { GroupCasts } from "./fan-out/large-groups";
import type { FactCache } from "./lookups/fact-cache";
import type { GroupSource } from "./lookups/group-cache";
import { type OwnerContext, PartitionOwner } from "./partition/owner";
import { Ownership } from "./partition/ownership";

/** Whose a partition is by the view of the moment. */
export interface Placement {
  isMine(partition: number): boolean;
  /** Whether it will be, unless a worker comes back whose heartbeat was missed. */
  willBeMine(partition: number): boolean;
  /** Whether anybody else will take it. */
  hasHeir(partition: number): boolean;
  /** Whether the worker of that boot is in the view and not suspected. */
  isAlive(boot: string): boolean;
  /** Whether the worker of that boot is in the view, suspected or not. */
  isPresent(boot: string): boolean;
}

/** What leaves for gateways. */
interface Downlink {
  answers(gateway: string, boot: string, answers: Answer[]): void;
  pushes(gateway: string, pushes: Push[]): void;
  announce(announcements: Announcement[]): void;
  groups(news: GroupNews[]): void;
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
  /** Shows people who owns what. */
  post(partition: number, report: { owner: string; boot: string; epoch: number } & object): Promise<void>;
}

export function newOwnership(ports: WorkerPorts): Ownership {
  const { bus, nodeId, boot, partitions, placement } = ports;
  const context = contextOf(ports, (partition) => ownership.handOver(partition));
  const ownership: Ownership = new Ownership({
    ...{ logger: bus.logger, partitions, boot },
    isMine: (partition) => placement.isMine(partition),
    willBeMine: (partition) => placement.willBeMine(partition),
    isAlive: (former) => placement.isAlive(former),
    isPresent: (former) => placement.isPresent(former),
    hasHeir: (partition) => placement.hasHeir(partition),
    askRelease: (partition) =>
      ask<OwnerQuestion, null>(bus, ownerSubject(partition), { ask: "hand-over" }).then(() => {}),
    formerOwner: async (partition) => {
      const record = await readLastRecord(bus, partition);
      if (record === undefined) return undefined;
      const { seq, header, body, storedAt } = record;
      return { boot: header.boot, released: body.kind === "release", seq, ageMs: bus.clock.now() - storedAt };
    },
    foldEarly: (partition) => PartitionOwner.foldEarly(context, partition),
    take: (partition, early, onLost) => PartitionOwner.take(context, partition, early, onLost),
    report: (partition, trouble) => {
      const report = { owner: nodeId, boot, epoch: 0, trouble };
      ports.post(partition, report).catch(() => {});
    },
  });
  return ownership;
}

function contextOf(ports: WorkerPorts, handOver: (partition: number) => void): OwnerContext {
  const { bus, nodeId, boot, policy, facts, groupSource, inboxes, recent, casts, downlink } = ports;
  return {
    ...{ bus, nodeId, boot, policy, facts, groupSource, inboxes, recent, handOver },
    archivePosition: async (partition) => (await ports.archivePositions()).get(partition)?.position ?? -1,
    answer: ({ gateway, boot: answersFor, answers }) => downlink.answers(gateway, answersFor, answers),
    push: (gateway, pushes) => downlink.pushes(gateway, pushes),
    announce: (announcements) => downlink.announce(announcements),
    cast: (groupId, said) => casts.cast(groupId, said),
    tellNews: (news) => downlink.groups(news),
    renewLinks: () => downlink.renewLinks(),
    onVerdicts: (verdicts) => ports.onVerdicts(verdicts),
    publishState: (partition, state) => ports.post(partition, { ...state, owner: nodeId, boot }),
  };
}
