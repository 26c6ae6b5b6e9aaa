/**
 * How every server process begins and ends: the connection to NATS, the layout, the view of the cluster, its own place in it, and
 * the orders of operators. What only one role needs stands in its `main.ts`, between these steps.
 */
import { ROLES, type RoleName, randomId } from "@carillon/base";
import { buildVersion, exitWithError, type Logger, type Settings } from "@carillon/base/node";
import { type Coordination, type Member, openCoordination } from "@carillon/coordination";
import { type Bus, connectBus } from "./connection";
import { type Controlled, serveControl } from "./rpc/control";
import { fingerprintOf, readLayout } from "./streams/layout";

export interface NodeSettings {
  nodeId: string;
  nats: Settings["nats"];
}

/** What a role adds to the orders that every node understands. */
export type RoleControl = Partial<Controlled> & { load(): Record<string, number> };

export class ClusterNode {
  /** Names this life of the process. */
  readonly boot = randomId(10);
  private joined: Member | undefined;
  private stopControl: (() => void) | undefined;

  private constructor(
    /** Its name in NATS. */
    readonly role: string,
    readonly nodeId: string,
    readonly bus: Bus,
    /** Number of partitions. */
    readonly partitions: number,
    readonly coordination: Coordination,
    private readonly fingerprint: string,
  ) {}

  /**
   * Connects to NATS and reads the layout and the view. The process ends when the connection is lost for good.
   * @throws Error when NATS does not answer, or the cluster was not initialised
   */
  static async open(role: RoleName, { nodeId, nats }: NodeSettings, logger: Logger): Promise<ClusterNode> {
    const onLost = (error?: Error) => exitWithError(logger, error ?? new Error("the connection to NATS is closed"));
    const bus = await connectBus({ settings: nats, role, name: nodeId, logger, onLost });
    const layout = await readLayout(bus);
    const coordination = await openCoordination({ connection: bus.connection, logger, replicas: nats.replicas });
    await coordination.view.ready();
    return new ClusterNode(ROLES[role], nodeId, bus, layout.partitions, coordination, fingerprintOf(layout));
  }

  /** The place of this process in the cluster. @throws Error before `join` */
  get member(): Member {
    if (this.joined === undefined) throw new Error("the node has not joined yet");
    return this.joined;
  }

  /** Takes a place in the cluster. The process ends when another process takes the same place. */
  async join(addresses: Record<string, string>, weight?: number): Promise<Member> {
    const { nodeId, boot, role, fingerprint, coordination, bus } = this;
    const self = { nodeId, boot, role, version: buildVersion(), fingerprint, addresses };
    const member = await coordination.join({ ...self, ...(weight !== undefined && { weight }) });
    member.on("stepped-down", () => exitWithError(bus.logger, new Error(`another process runs as ${nodeId}`)));
    this.joined = member;
    return member;
  }

  /** Serves the orders of operators; `drain` and `undrain` change the node's state unless the role says otherwise. */
  control({ load, ...orders }: RoleControl): void {
    const { nodeId, member } = this;
    this.stopControl = serveControl(this.bus, this.role, nodeId, {
      state: () => ({ nodeId, state: member.record.state, load: load() }),
      drain: () => member.setState("draining"),
      undrain: () => member.setState("up"),
      ...orders,
    });
  }

  /** Gives the place up and follows the cluster no longer; the connection stays open for the last messages. */
  async leave(): Promise<void> {
    this.stopControl?.();
    await this.member.leave();
    await this.coordination.close();
  }
}
