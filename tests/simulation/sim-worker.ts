/** A worker of the simulation: the real ownership, take-over, journey and fan-out over simulated stores. */
import { type GroupNews, readLastRecord } from "@carillon/bus";
import { GroupCasts } from "../../apps/logic/dist/fan-out/large-groups";
import { FactCache } from "../../apps/logic/dist/lookups/fact-cache";
import { Ownership } from "../../apps/logic/dist/own/ownership";
import { type OwnerContext, PartitionOwner } from "../../apps/logic/dist/partition-owner";
import { Connection, type Network } from "./connection";
import type { SimGroups } from "./groups";
import type { SimMysql, SimRedis } from "./stores";

/** What a worker does to the world. */
export interface WorkerWorld {
  network: Network;
  redis: SimRedis;
  mysql: SimMysql;
  readonly groups: Pick<SimGroups, "load">;
  /** Whether the partition is assigned to this worker, as it sees it. */
  isMine(worker: SimWorker): boolean;
  willBeMine(worker: SimWorker): boolean;
  /** A worker is ready and asks whoever owns the partition; what it asks may get lost. */
  askRelease(worker: SimWorker): Promise<void>;
  /** Whether the worker of that boot is seen as alive. */
  isAlive(boot: string): boolean;
  hearNews(news: GroupNews[]): void;
  hearTick(groups: [groupId: string, lastSeq: number][]): void;
  /** News or a tick did not come: the next one shows it. */
  missed(): void;
  /** An answer leaves for a gateway. */
  answer(worker: SimWorker, frames: { connection: number; frame: Uint8Array }[]): void;
}

export class SimWorker {
  readonly connection: Connection;
  readonly ownership: Ownership;
  private readonly casts: GroupCasts;

  constructor(
    readonly boot: string,
    private readonly world: WorkerWorld,
  ) {
    this.connection = new Connection(boot, world.network);
    this.casts = new GroupCasts(this.connection.bus);
    const context = this.context();
    const { bus } = this.connection;
    this.ownership = new Ownership({
      logger: bus.logger,
      partitions: 1,
      boot,
      isMine: () => world.isMine(this),
      willBeMine: () => world.willBeMine(this),
      isAlive: (former) => world.isAlive(former),
      hasHeir: () => !world.isMine(this),
      askRelease: () => world.askRelease(this),
      formerOwner: async () => {
        const record = await readLastRecord(bus, 0);
        return record && { boot: record.header.boot, released: record.body.kind === "release" };
      },
      foldEarly: () => {
        world.network.coverage.count("logs folded early");
        return PartitionOwner.foldEarly(context, 0);
      },
      take: (partition, early, onLost) => PartitionOwner.take(context, partition, early, onLost),
      report: () => {},
    });
    this.ownership.start();
  }

  /** Said every 2 s. */
  tick(): void {
    const groups = this.casts.recent();
    this.connection.tell(
      () => this.world.hearTick(groups),
      () => this.world.missed(),
    );
  }

  get isDead(): boolean {
    return this.connection.isDead;
  }

  private context(): OwnerContext {
    const { redis, mysql, network } = this.world;
    const { bus } = this.connection;
    const onRedis = <T>(work: () => T) => this.store(() => !redis.isAway, work);
    const onMysql = <T>(work: () => T) => this.store(() => !mysql.isAway, work);
    const source = {
      users: (ids: string[]) => onMysql(() => mysql.users(ids)),
      relations: () => onMysql(() => new Map()),
      lastSeqs: (ids: string[]) => onMysql(() => mysql.lastSeqs(ids)),
      recallTargets: () => onMysql(() => new Map()),
      messagesById: (keys: Parameters<SimMysql["messagesById"]>[0]) =>
        onMysql(() => {
          network.coverage.count("archive look-ups");
          return mysql.messagesById(keys);
        }),
    };
    return {
      bus,
      nodeId: this.boot,
      boot: this.boot,
      policy: { strangers: "allow", recallMs: 120_000, showsBefore: false, keepMs: Number.POSITIVE_INFINITY },
      facts: new FactCache(source as never, bus.logger, () => bus.clock.monotonic(), 100),
      groupSource: { load: (wanted) => onMysql(() => this.world.groups.load(wanted)) },
      inboxes: {
        deliver: (_partition: number, ...delivery: Parameters<SimRedis["deliver"]>) =>
          onRedis(() => redis.deliver(...delivery)),
        fanoutPosition: () => onRedis(() => redis.fanout),
        setFanoutPosition: (_partition: number, position: number) =>
          onRedis(() => {
            redis.fanout = position;
          }),
      } as never,
      archivePosition: () => onMysql(() => mysql.position),
      answer: ({ answers }) => {
        if (!this.isDead && !network.strike(this.connection)) this.world.answer(this, answers);
      },
      push: () => {
        if (!this.isDead) network.strike(this.connection);
      },
      announce: () => {},
      recent: { add: () => onRedis(() => {}) } as never,
      cast: (groupId, said) => this.casts.cast(groupId, said),
      tellNews: (news) =>
        this.connection.tell(
          () => this.world.hearNews(news),
          () => this.world.missed(),
        ),
      renewLinks: () => {},
      handOver: (partition) => this.ownership.handOver(partition),
      publishState: async () => {},
    };
  }

  /** A call to a store: it takes its time, fails while the store is away, and dies with the process. */
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
