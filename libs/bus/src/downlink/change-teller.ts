/**
 * Tells the cluster what changed about people: gateways close connections, workers forget what they remember, devices
 * hear that there is something to fetch. The first two are confirmed by every node of the view; who has not confirmed
 * is named, and finds out by himself (docs/decisions/0013 and 0014).
 */
import { ROLES } from "@carillon/base";
import type { Bus } from "../connection";
import type { ControlQuestion, People } from "../rpc/contracts";
import { order } from "../rpc/rpc";
import { controlSubject } from "../streams/definitions";
import type { DownlinkSender } from "./downlink-sender";

/** Most time for a node to confirm. */
const CONFIRM_MS = 2_000;

/** A node as the view has it. */
export interface PresentNode {
  nodeId: string;
  boot: string;
}

/** The nodes that hear of changes, by role. */
export type PresentNodes = Record<"gateways" | "workers" | "apis", PresentNode[]>;

/** Which connections of a user are to be closed: of one device, or without one of all. */
export interface WhichDevices {
  deviceId?: string;
  closeCode: number;
}

export class ChangeTeller {
  private gateways: string[] = [];
  private workers: string[] = [];
  private apis: string[] = [];

  constructor(
    private readonly bus: Bus,
    private readonly downlink: DownlinkSender,
  ) {}

  /** Takes over which nodes there are. */
  setNodes({ gateways, workers, apis }: PresentNodes): void {
    this.downlink.setGateways(gateways);
    this.apis = apis.map(({ nodeId }) => nodeId);
    this.gateways = gateways.map(({ nodeId }) => nodeId);
    this.workers = workers.map(({ nodeId }) => nodeId);
  }

  /**
   * Has every gateway close connections of a user.
   * @returns the gateways that did not confirm it; they compare their sessions as soon as they are back
   */
  async close(userId: string, which: WhichDevices): Promise<string[]> {
    const closings = [{ userId, ...which }];
    return unconfirmed(this.gateways, (gateway) =>
      this.downlink.sendConfirmed(gateway, { kind: "closings", closings }, CONFIRM_MS),
    );
  }

  /**
   * Has every worker forget what it remembers of these people: the next message is judged by what MySQL says now. Then
   * every gateway no longer shows two of them to each other, until a worker says that it may.
   * @returns the nodes that did not confirm it; workers ask MySQL again after 30 s at the latest, gateways ask when they
   * are back
   */
  async forget({ users = [], pairs = [] }: Partial<People>): Promise<string[]> {
    const question: ControlQuestion = { ask: "forget", users, pairs };
    const tell = (role: string) => (nodeId: string) =>
      order(this.bus, controlSubject(role, nodeId), question, CONFIRM_MS);
    const workers = await unconfirmed(this.workers, tell(ROLES.worker));
    const gateways = pairs.length === 0 ? [] : await unconfirmed(this.gateways, tell("gateway"));
    return [...workers, ...gateways];
  }

  /**
   * Has every api forget the failed log-ins of a user: the right password is good at once.
   * @returns the apis that did not confirm it; there the user is slowed until the budget has come back
   */
  async unlock(userId: string): Promise<string[]> {
    const question: ControlQuestion = { ask: "unlock", userId };
    return unconfirmed(this.apis, (nodeId) => order(this.bus, controlSubject("api", nodeId), question, CONFIRM_MS));
  }

  /** Sends a frame to all devices of users that are connected. May be lost: it only says what SYNC tells as well. */
  notify(userIds: readonly string[], frame: Uint8Array): void {
    const notices = userIds.map((userId) => ({ userId, frame }));
    for (const gateway of this.gateways) this.downlink.notices(gateway, notices);
  }
}

async function unconfirmed(nodes: string[], tell: (nodeId: string) => Promise<boolean>): Promise<string[]> {
  const results = await Promise.all(nodes.map(async (nodeId) => ((await tell(nodeId)) ? [] : [nodeId])));
  return results.flat();
}
