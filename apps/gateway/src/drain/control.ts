/** Orders of operators to this gateway, over `im.ctl.gateway.<node>`: drain, undrain, kick, tell the state. */
import { sleep } from "@carillon/base";
import { type Bus, type ControlAnswer, type People, serveControl } from "@carillon/bus";
import type { Member } from "@carillon/coordination";
import { CloseCode } from "@carillon/protocol";
import type { UserRegistry } from "../session/user-registry";
import type { Farewell } from "./farewell";

const EMPTY_POLL_MS = 50;

export interface ControlOptions {
  bus: Bus;
  nodeId: string;
  users: UserRegistry;
  member: Member;
  farewell: Farewell;
  /** Time between GOAWAY and the close of a draining gateway's connections, ms. */
  graceMs: number;
  /** Two users are no longer what they were to each other. */
  forget(people: People): void;
  /** What the state tells besides connections and users. */
  load(): Record<string, number>;
  /** Fingerprint of the ring as this gateway sees it. */
  ring(): string;
}

export class Control {
  private stopServing: () => void = () => {};

  constructor(private readonly options: ControlOptions) {}

  start(): void {
    const { bus, nodeId, member } = this.options;
    this.stopServing = serveControl(bus, "gateway", nodeId, {
      state: () => this.state(),
      drain: async () => void this.drain("drain"),
      undrain: async () => {
        await member.setState("up");
        this.options.farewell.stay();
      },
      kick: (userId, deviceId) => this.kick(userId, deviceId),
      forget: (people) => this.options.forget(people),
    });
  }

  stop(): void {
    this.stopServing();
  }

  /** Leaves the ring and sends everybody away, paced. */
  async drain(reason: "drain" | "shutdown"): Promise<void> {
    const { member, farewell, graceMs } = this.options;
    await member.setState("draining").catch(() => {
      // Without NATS the ring cannot be told; the clients can.
    });
    await farewell.send(reason, true, graceMs);
  }

  /** Resolves when no session is left, or after `ms`. */
  async emptied(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (this.options.users.sessions.size > 0 && performance.now() < deadline) await sleep(EMPTY_POLL_MS);
  }

  private state(): ControlAnswer {
    const { nodeId, member, users, load, ring } = this.options;
    const counts = { connections: users.sessions.size, users: users.userCount };
    return { nodeId, state: member.record.state, load: { ...counts, ...load() }, ring: ring() };
  }

  private kick(userId: string, deviceId: string | undefined): number {
    const sessions = [...(this.options.users.user(userId)?.sessions ?? [])].filter(
      ({ identity }) => deviceId === undefined || identity?.deviceId === deviceId,
    );
    for (const session of sessions) session.kick(CloseCode.KICKED);
    return sessions.length;
  }
}
