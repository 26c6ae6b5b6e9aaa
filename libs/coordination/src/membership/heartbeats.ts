/**
 * Suspicion: a first, cheap and revocable hint that a node is dead, seconds before its record expires.
 *
 * Every member publishes a beat on `im.hb.<role>`. Members of a judged role listen to their own role: with each tick in
 * which a node of the view was not heard, its silence grows by the time of the tick, and one beat ends it. The tick
 * counts only if our own beat came back through NATS and the tick was not late; otherwise we are the one who is cut off
 * or stalled, and would suspect all the others. Nothing that must be safe may rest on suspicion: it moves work early,
 * the work's own fence decides.
 */
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { Listeners } from "../listeners";
import type { NodeRecord } from "./node-record";

export interface Beat {
  nodeId: string;
  boot: string;
}

export interface HeartbeatOptions {
  connection: NatsConnection;
  heartbeatMs: number;
  suspectMs: number;
  /** Whose members listen and judge. */
  roles: readonly string[];
  /** Nodes of the view. */
  nodes(role: string): NodeRecord[];
}

interface OwnPulse {
  subscription: Subscription | undefined;
  timer: NodeJS.Timeout;
  lastTick: number;
  cameBack: boolean;
}

export function beatSubject(role: string): string {
  return `im.hb.${role}`;
}

/** @returns undefined for what is no beat */
export function parseBeat(message: Msg): Beat | undefined {
  try {
    return message.json<Beat>();
  } catch {
    return undefined;
  }
}

export class Heartbeats {
  private readonly pulses = new Map<string, OwnPulse>();
  /** Silence in ms by boot: a restarted node is not its former self. */
  private readonly silences = new Map<string, number>();
  private readonly heard = new Set<string>();
  private readonly listeners = new Listeners();
  private current = 0;

  constructor(private readonly options: HeartbeatOptions) {}

  /** Grows with each change of suspicion. */
  get version(): number {
    return this.current;
  }

  /** Begins to beat for a node, and to judge its role if that is a judged one. */
  start(role: string, nodeId: string, boot: string): void {
    const { connection, roles, heartbeatMs } = this.options;
    const listen = () =>
      connection.subscribe(beatSubject(role), {
        callback: (error, message) => {
          if (error === null) this.onBeat(parseBeat(message), pulse, boot);
        },
      });
    const pulse: OwnPulse = {
      subscription: roles.includes(role) ? listen() : undefined,
      timer: setInterval(() => this.tick(role, nodeId, boot, pulse), heartbeatMs),
      lastTick: performance.now(),
      cameBack: false,
    };
    this.pulses.set(boot, pulse);
    this.beat(role, nodeId, boot);
  }

  /** Ends what `start` began. */
  stop(boot: string): void {
    const pulse = this.pulses.get(boot);
    if (pulse === undefined) return;
    clearInterval(pulse.timer);
    if (!this.options.connection.isClosed()) pulse.subscription?.unsubscribe();
    this.pulses.delete(boot);
  }

  /** Whether the node of the view was not heard for `suspectMs`; always false for roles that are not judged here. */
  suspected(role: string, nodeId: string): boolean {
    const node = this.options.nodes(role).find((candidate) => candidate.nodeId === nodeId);
    return node !== undefined && this.isSilent(node.boot);
  }

  /** Told when a node begins or ceases to be suspected. @returns ends the telling */
  onChange(callback: () => void): () => void {
    return this.listeners.add(callback);
  }

  /** @internal */
  close(): void {
    for (const boot of [...this.pulses.keys()]) this.stop(boot);
    this.listeners.clear();
  }

  private isSilent(boot: string): boolean {
    return (this.silences.get(boot) ?? 0) >= this.options.suspectMs;
  }

  private onBeat(beat: Beat | undefined, pulse: OwnPulse, ownBoot: string): void {
    if (typeof beat?.boot !== "string") return;
    if (beat.boot === ownBoot) {
      pulse.cameBack = true;
      return;
    }
    this.heard.add(beat.boot);
    const wasSilent = this.isSilent(beat.boot);
    this.silences.delete(beat.boot);
    if (wasSilent) this.changed();
  }

  private tick(role: string, nodeId: string, boot: string, pulse: OwnPulse): void {
    const now = performance.now();
    const elapsed = now - pulse.lastTick;
    const counts = pulse.cameBack && elapsed < 2 * this.options.heartbeatMs;
    pulse.lastTick = now;
    pulse.cameBack = false;
    if (pulse.subscription !== undefined) this.judge(role, boot, counts ? elapsed : 0);
    this.beat(role, nodeId, boot);
  }

  private judge(role: string, ownBoot: string, elapsed: number): void {
    const others = this.options.nodes(role).filter(({ boot }) => boot !== ownBoot);
    let isChanged = false;
    for (const { boot } of others) {
      if (this.heard.has(boot)) continue;
      const wasSilent = this.isSilent(boot);
      this.silences.set(boot, (this.silences.get(boot) ?? 0) + elapsed);
      isChanged ||= !wasSilent && this.isSilent(boot);
    }
    this.heard.clear();
    const present = new Set(others.map((other) => other.boot));
    for (const boot of this.silences.keys()) if (!present.has(boot)) this.silences.delete(boot);
    if (isChanged) this.changed();
  }

  private beat(role: string, nodeId: string, boot: string): void {
    const { connection } = this.options;
    if (connection.isClosed() || connection.isDraining()) return;
    const beat: Beat = { nodeId, boot };
    connection.publish(beatSubject(role), JSON.stringify(beat));
  }

  private changed(): void {
    this.current++;
    this.listeners.tell();
  }
}
