/** The connections of the commands to a cluster. Each one opens when a command needs it. */
import { ROLES, randomId, settlesWithin } from "@carillon/base";
import { silentLogger } from "@carillon/base/node";
import { type Bus, ChangeNotifier, commandSender, connectBus, DownlinkSender, readLayout } from "@carillon/bus";
import { type Coordination, openCoordination } from "@carillon/coordination";
import { ConversationOwners, type GroupAdministration } from "@carillon/operations";
import { isStoreUnavailable, MysqlStore, RedisStore } from "@carillon/store";
import { type ClusterConfig, loadClusterConfig } from "../config";
import { NotReached } from "../output/failures";

/** Time that a command waits for a store that is away, ms. */
const STORE_WAIT_MS = 2_000;
const CLOSE_MS = 1_000;

export class Cluster {
  private redisStore: RedisStore | undefined;
  private mysqlStore: MysqlStore | undefined;

  private constructor(
    readonly config: ClusterConfig,
    readonly bus: Bus,
    readonly coordination: Coordination,
  ) {}

  /** @throws NotReached when NATS does not answer */
  static async open(data: string | undefined): Promise<Cluster> {
    const config = loadClusterConfig(data);
    const logger = silentLogger();
    const bus = await connectBus({ settings: config.nats, name: "carillon-cli", logger }).catch((error: Error) => {
      throw new NotReached(error.message);
    });
    const { connection } = bus;
    const coordination = await openCoordination({ connection, logger, replicas: config.nats.replicas });
    await coordination.view.ready();
    return new Cluster(config, bus, coordination);
  }

  async redis(): Promise<RedisStore> {
    this.redisStore ??= await RedisStore.connect(this.config.redis, silentLogger(), STORE_WAIT_MS);
    return this.redisStore;
  }

  async mysql(): Promise<MysqlStore> {
    this.mysqlStore ??= await MysqlStore.connect(this.config.mysql, silentLogger());
    return this.mysqlStore;
  }

  /** Closes all open connections; it does not wait for a server that is away. */
  async close(): Promise<void> {
    await this.coordination.close();
    const closing = [this.redisStore?.close(), this.mysqlStore?.close(), this.bus.close()];
    await settlesWithin(Promise.allSettled(closing), CLOSE_MS);
  }
}

/** Opens the cluster for `work` and closes it afterwards. @throws NotReached when NATS, or a store that `work` needs, is away */
export async function withCluster<T>(data: string | undefined, work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const cluster = await Cluster.open(data);
  try {
    return await work(cluster);
  } catch (error) {
    throw isAway(error) ? new NotReached(`a store does not answer: ${(error as Error).message || "MySQL"}`) : error;
  } finally {
    await cluster.close();
  }
}

/** Errors of Redis and its client have no code, only this text. */
function isAway(error: unknown): boolean {
  return isStoreUnavailable(error) || /^(Command timed out|Connection is closed)/.test((error as Error).message);
}

/** Changes of groups from the command line: it writes them to MySQL and tells the owner of the conversation, as the api does. */

export async function openGroups(cluster: Cluster): Promise<GroupAdministration> {
  const { bus, config } = cluster;
  const { maxMembers, writeFanoutMax } = config.groups;
  const [{ groups, users }, { partitions }] = await Promise.all([cluster.mysql(), readLayout(bus)]);
  return {
    groups,
    people: users,
    groupLimits: { members: maxMembers, writeFanOut: writeFanoutMax },
    owners: new ConversationOwners(bus, partitions),
    changes: openOrders(cluster),
    clock: bus.clock,
  };
}

/** Orders about users from the command line, to all gateways and workers of the view. The api gives the same orders. */

/**
 * Sends no tick before the order: at a gateway, the order itself begins the link. Every gateway confirms the order; the command
 * names those that do not. The operator has to repeat a command that died before it sent its order.
 */
export function openOrders({ bus, coordination }: Cluster): ChangeNotifier {
  const changes = new ChangeNotifier(bus, new DownlinkSender(bus, commandSender(randomId(8))));
  const nodes = (role: string) => coordination.view.nodes(role);
  changes.setNodes({ gateways: nodes("gateway"), workers: nodes(ROLES.worker), apis: nodes("api") });
  return changes;
}
