/** A worker of the simulation: the real wiring, ownership, take-over, journey and fan-out over simulated stores. */
import type { GroupNews } from "@carillon/bus";
import { GroupCasts } from "../../apps/worker/dist/fan-out/large-groups";
import { FactCache } from "../../apps/worker/dist/lookups/fact-cache";
import { newOwnership } from "../../apps/worker/dist/partition/own-partitions";
import { PartitionOwner } from "../../apps/worker/dist/partition/owner";
import type { Ownership } from "../../apps/worker/dist/partition/ownership";
import { ParkedRequests } from "../../apps/worker/dist/partition/parked-requests";
import type { Placement, WorkerPorts } from "../../apps/worker/dist/ports";
import { Connection, type Network } from "./connection";
import type { Coverage } from "./coverage";
import type { SimGroups } from "./groups";
import type { SimMysql, SimRedis } from "./stores";

/** The effects of a worker on the world. */
export interface WorkerWorld {
  network: Network;
  redis: SimRedis;
  mysql: SimMysql;
  readonly groups: Pick<SimGroups, "load">;
  /** The worker's view of the owners of all partitions. */
  placementOf(worker: SimWorker): Placement;
  receiveNews(news: GroupNews[]): void;
  receiveTick(groups: [groupId: string, lastSeq: number][]): void;
  /** A notice or a tick was lost, which the next one shows. */
  missed(): void;
  /** An answer leaves for a gateway. */
  answer(worker: SimWorker, frames: { connection: number; frame: Uint8Array }[]): void;
}

/** Counters of the present run for situations inside the wiring; there is one run at a time. */
let coverage: Coverage | undefined;
const { foldEarly } = PartitionOwner;
PartitionOwner.foldEarly = (context, partition) => {
  coverage?.count("logs folded early");
  return foldEarly.call(PartitionOwner, context, partition);
};
const { park } = ParkedRequests.prototype;
ParkedRequests.prototype.park = function (...request) {
  const isParked = park.apply(this, request);
  if (isParked) coverage?.count("requests parked");
  return isParked;
};

export class SimWorker {
  readonly connection: Connection;
  readonly ownership: Ownership;
  private readonly casts: GroupCasts;

  constructor(
    readonly boot: string,
    private readonly world: WorkerWorld,
  ) {
    coverage = world.network.coverage;
    this.connection = new Connection(boot, world.network);
    this.casts = new GroupCasts(this.connection.bus);
    this.ownership = newOwnership(this.ports());
    this.ownership.start();
  }

  /** Sends the heartbeat every 2 s. */
  tick(): void {
    const groups = this.casts.recent();
    this.connection.notify(
      () => this.world.receiveTick(groups),
      () => this.world.missed(),
    );
  }

  get isDead(): boolean {
    return this.connection.isDead;
  }

  private ports(): WorkerPorts {
    const { redis, mysql, network } = this.world;
    const { bus } = this.connection;
    const onRedis = <T>(work: () => T) => this.store(() => !redis.isAway, work);
    const onMysql = <T>(work: () => T) => this.store(() => !mysql.isAway, work);
    const inboxes = {
      deliver: (...delivery: Parameters<SimRedis["deliver"]>) => onRedis(() => redis.deliver(...delivery)),
      fanoutPosition: (partition: number) => onRedis(() => redis.fanout.get(partition)),
      setFanoutPosition: (partition: number, position: number) =>
        onRedis(() => void redis.fanout.set(partition, position)),
    };
    return {
      ...{ bus, nodeId: this.boot, boot: this.boot, partitions: network.partitions, casts: this.casts },
      policy: { strangers: "allow", recallMs: 120_000, showsBefore: false, keepMs: Number.POSITIVE_INFINITY },
      placement: this.world.placementOf(this),
      downlink: this.downlink(),
      facts: new FactCache(this.factSource(onMysql) as never, bus.logger, () => bus.clock.monotonic(), 100),
      groupSource: { load: (wanted) => onMysql(() => this.world.groups.load(wanted)) },
      inboxes: inboxes as never,
      recent: { add: () => onRedis(() => {}) } as never,
      archivePositions: () =>
        onMysql(() => new Map([...mysql.positions].map(([partition, position]) => [partition, { position }]))),
      onVerdicts: () => {},
      post: async () => {},
    };
  }

  private downlink(): WorkerPorts["downlink"] {
    const { network } = this.world;
    const isGone = () => this.isDead || network.strike(this.connection);
    return {
      answers: (_gateway, _boot, answers) => {
        if (!isGone()) this.world.answer(this, answers);
      },
      pushes: () => void isGone(),
      announce: () => {},
      groups: (news) =>
        this.connection.notify(
          () => this.world.receiveNews(news),
          () => this.world.missed(),
        ),
      renewLinks: () => {},
    };
  }

  private factSource(onMysql: <T>(work: () => T) => Promise<T>) {
    const { mysql, network } = this.world;
    return {
      users: (ids: string[]) => onMysql(() => mysql.users(ids)),
      relations: () => onMysql(() => new Map()),
      lastSeqs: (ids: string[]) => onMysql(() => mysql.lastSeqs(ids)),
      retentionCut: () => onMysql(() => 0),
      recallTargets: () => onMysql(() => new Map()),
      messagesById: (keys: Parameters<SimMysql["messagesById"]>[0]) =>
        onMysql(() => {
          network.coverage.count("archive look-ups");
          return mysql.messagesById(keys);
        }),
    };
  }

  /** Makes a call to a store: it takes its time, fails while the store is away, and ends with the process. */
  private store<T>(isThere: () => boolean, work: () => T): Promise<T> {
    const { network } = this.world;
    const { time, random } = network;
    if (this.isDead || network.strike(this.connection)) return new Promise<T>(() => {});
    return new Promise<T>((resolve, reject) => {
      const at = Math.max(time.now, this.connection.pausedUntil) + random.between(0.1, 1.5);
      time.aside(at, () => {
        if (this.isDead && random.chance(0.5)) return;
        if (!isThere()) {
          time.after(100, () => reject(new Error("the store is away")));
          return;
        }
        const value = work();
        time.at(Math.max(time.now + random.between(0.1, 0.5), this.connection.pausedUntil), () => {
          if (!this.isDead) resolve(value);
        });
      });
    });
  }
}
