/** Orders of operators to this gateway, over `im.ctl.gateway.<node>`: drain, undrain, kick, tell the state. */
import { sleep } from "@carillon/base";
import { type Bus, type ControlAnswer, serveControl } from "@carillon/bus";
import { CloseCode } from "@carillon/protocol";
import type { Watches } from "../presence/watches";
import type { GatewayCluster } from "../session/placement";
import type { UserRegistry } from "../session/user-registry";
import type { Submitter } from "../submit/submit";
import type { Drain } from "./drain";

const EMPTY_POLL_MS = 50;

export interface ControlOptions {
  bus: Bus;
  nodeId: string;
  users: UserRegistry;
  cluster: Pick<GatewayCluster, "member" | "fingerprint">;
  drain: Drain;
  /** Time between GOAWAY and the close of a draining gateway's connections, ms. */
  graceMs: number;
  submitter: Pick<Submitter, "waiting">;
  watches: Pick<Watches, "forget">;
}

export class Control {
  private stopServing: () => void = () => {};

  constructor(private readonly options: ControlOptions) {}

  start(): void {
    const { bus, nodeId, cluster, drain, watches } = this.options;
    this.stopServing = serveControl(bus, "gateway", nodeId, {
      state: () => this.state(),
      drain: async () => void this.drain("drain"),
      undrain: async () => {
        await cluster.member!.setState("up");
        drain.cancel();
      },
      kick: (userId, deviceId) => this.kick(userId, deviceId),
      forget: ({ pairs }) => watches.forget(pairs),
    });
  }

  stop(): void {
    this.stopServing();
  }

  /** Leaves the ring and sends everybody away, paced. */
  async drain(reason: "drain" | "shutdown"): Promise<void> {
    const { cluster, drain, graceMs } = this.options;
    await cluster.member!.setState("draining").catch(() => {
      // Without NATS the ring cannot be told; the clients can.
    });
    await drain.send(reason, true, graceMs);
  }

  /** Resolves when no session is left, or after `ms`. */
  async emptied(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (this.options.users.sessions.size > 0 && performance.now() < deadline) await sleep(EMPTY_POLL_MS);
  }

  private state(): ControlAnswer {
    const { nodeId, cluster, users, submitter } = this.options;
    const load = { connections: users.sessions.size, users: users.userCount, waiting: submitter.waiting };
    return { nodeId, state: cluster.member!.record.state, load, ring: cluster.fingerprint };
  }

  private kick(userId: string, deviceId: string | undefined): number {
    const sessions = [...(this.options.users.user(userId)?.sessions ?? [])].filter(
      ({ identity }) => deviceId === undefined || identity?.deviceId === deviceId,
    );
    for (const session of sessions) session.kick(CloseCode.KICKED);
    return sessions.length;
  }
}
