/**
 * Tells the cluster about changes of users: gateways close connections, workers forget facts, devices learn that there is
 * something to fetch. Every node of the view confirms the first two orders. The nodes that have not confirmed are named to the
 * caller, and find out by themselves (docs/decisions/0013 and 0014).
 */
import { ROLES } from "@carillon/base";
import type { Bus } from "../connection";
import { type ControlQuestion, nodeControl, type People } from "../contracts/control";
import { order } from "../rpc/rpc";
import type { DownlinkSender } from "./downlink-sender";

/** Maximum time for a node to confirm, ms. */
const CONFIRM_MS = 2_000;

/** A node of the view. */
export interface PresentNode {
  nodeId: string;
  boot: string;
}

/** The nodes that receive orders, by role. */
export type PresentNodes = Record<"gateways" | "workers" | "apis", PresentNode[]>;

/** The connections of a user to close: those of one device, or without a device all of them. */
export interface WhichDevices {
  deviceId?: string;
  closeCode: number;
}

export class ChangeNotifier {
  private gateways: string[] = [];
  private workers: string[] = [];
  private apis: string[] = [];

  constructor(
    private readonly bus: Bus,
    private readonly downlink: DownlinkSender,
  ) {}

  /** Sets the present nodes. */
  setNodes({ gateways, workers, apis }: PresentNodes): void {
    this.downlink.setGateways(gateways);
    this.apis = apis.map(({ nodeId }) => nodeId);
    this.gateways = gateways.map(({ nodeId }) => nodeId);
    this.workers = workers.map(({ nodeId }) => nodeId);
  }

  /**
   * Orders every gateway to close connections of a user.
   * @returns the gateways that did not confirm; they check their sessions as soon as they are back
   */
  async close(userId: string, which: WhichDevices): Promise<string[]> {
    const closings = [{ userId, ...which }];
    return unconfirmed(this.gateways, (gateway) =>
      this.downlink.sendConfirmed(gateway, { kind: "closings", closings }, CONFIRM_MS),
    );
  }

  /**
   * Orders every worker to forget its facts about these users, so that MySQL decides about the next message. Then it orders every
   * gateway to stop showing two of these users to each other until a worker allows it.
   * @returns the nodes that did not confirm; workers ask MySQL again after 30 s at the latest, gateways ask when they
   * are back
   */
  async forget({ users = [], pairs = [] }: Partial<People>): Promise<string[]> {
    const question: ControlQuestion = { ask: "forget", users, pairs };
    const orderNode = (role: string) => (nodeId: string) =>
      order(this.bus, nodeControl.to(role, nodeId), question, CONFIRM_MS);
    const workers = await unconfirmed(this.workers, orderNode(ROLES.worker));
    const gateways = pairs.length === 0 ? [] : await unconfirmed(this.gateways, orderNode("gateway"));
    return [...workers, ...gateways];
  }

  /**
   * Orders every api to forget the failed log-ins of a user, so that the right password works at once.
   * @returns the apis that did not confirm; there the user has to wait until the budget has recovered
   */
  async unlock(userId: string): Promise<string[]> {
    const question: ControlQuestion = { ask: "unlock", userId };
    return unconfirmed(this.apis, (nodeId) => order(this.bus, nodeControl.to("api", nodeId), question, CONFIRM_MS));
  }

  /** Sends a frame to all connected devices of users. It may be lost, because SYNC tells the same. */
  notify(userIds: readonly string[], frame: Uint8Array): void {
    const notices = userIds.map((userId) => ({ userId, frame }));
    for (const gateway of this.gateways) this.downlink.notices(gateway, notices);
  }
}

async function unconfirmed(nodes: string[], send: (nodeId: string) => Promise<boolean>): Promise<string[]> {
  const results = await Promise.all(nodes.map(async (nodeId) => ((await send(nodeId)) ? [] : [nodeId])));
  return results.flat();
}
