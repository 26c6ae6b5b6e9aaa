/** Which users and devices are connected, as far as Redis and the view of the cluster know. */
import { withDeadline } from "@carillon/base";
import { ask, type Bus, type PresenceFound, type PresenceRead, presenceRead } from "@carillon/bus";
import type { Coordination } from "@carillon/coordination";
import type { Sessions } from "@carillon/store";

/** Most time for Redis to say which devices are connected. */
const CONNECTED_MS = 300;

export class Presence {
  constructor(
    private readonly bus: Bus,
    private readonly view: Coordination["view"],
    private readonly sessions: Pick<Sessions, "of">,
  ) {}

  /** Asks a worker which users are online. @throws CarillonError BUSY */
  find(question: PresenceRead): Promise<PresenceFound> {
    return ask(this.bus, presenceRead, question);
  }

  /** Whether this life of a gateway is in the view: the sessions of a gateway that died say nothing. */
  hasGateway(gateway: string, boot: string): boolean {
    return this.view.get("gateway", gateway)?.boot === boot;
  }

  /** The devices of a user that are connected at this moment; none while Redis does not answer, so that a log-in need not wait. */
  async connectedDevices(userId: string): Promise<string[]> {
    const devices = await withDeadline(this.sessions.of(userId), CONNECTED_MS, "Redis").catch(() => []);
    return devices.filter(({ gateway, boot }) => this.hasGateway(gateway, boot)).map(({ deviceId }) => deviceId);
  }
}
