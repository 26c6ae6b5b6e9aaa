import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import type { NodeRecord } from "./node-record";

interface Beat {
  nodeId: string;
  boot: string;
}

export interface PulseOptions {
  connection: NatsConnection;
  heartbeatMs: number;
  suspectMs: number;
  /** Whether to listen to the others of the role. */
  judges: boolean;
  /** Nodes of the role in the view. */
  nodes(): NodeRecord[];
  /** Told when a node begins or ceases to be silent. */
  onChange(): void;
}

export function beatSubject(role: string): string {
  return `im.hb.${role}`;
}

/** The boot that a beat is of; undefined for what is no beat. */
export function bootOfBeat(message: Msg): string | undefined {
  try {
    return message.json<Beat>().boot;
  } catch {
    return undefined;
  }
}

/** The heartbeat of one member, and what it hears of the others of its role. */
export class Pulse {
  private readonly timer: NodeJS.Timeout;
  private readonly subscription: Subscription | undefined;
  /** Silence in ms by boot: a restarted node is not its former self. */
  private readonly silences = new Map<string, number>();
  /** Boots heard since the last tick. */
  private readonly heard = new Set<string>();
  private lastTick = performance.now();

  constructor(
    readonly role: string,
    private readonly nodeId: string,
    private readonly boot: string,
    private readonly options: PulseOptions,
  ) {
    const { connection, heartbeatMs, judges } = options;
    if (judges) {
      this.subscription = connection.subscribe(beatSubject(role), {
        callback: (error, message) => {
          if (error === null) this.hear(bootOfBeat(message));
        },
      });
    }
    this.timer = setInterval(() => this.tick(), heartbeatMs);
    this.beat();
  }

  isSilent(boot: string): boolean {
    return (this.silences.get(boot) ?? 0) >= this.options.suspectMs;
  }

  stop(): void {
    clearInterval(this.timer);
    if (!this.options.connection.isClosed()) this.subscription?.unsubscribe();
  }

  private hear(boot: string | undefined): void {
    if (typeof boot !== "string") return;
    this.heard.add(boot);
    const wasSilent = this.isSilent(boot);
    this.silences.delete(boot);
    if (wasSilent) this.options.onChange();
  }

  private tick(): void {
    const now = performance.now();
    const elapsed = now - this.lastTick;
    const isLate = elapsed >= 2 * this.options.heartbeatMs;
    const cameBack = this.heard.has(this.boot);
    this.lastTick = now;
    if (this.options.judges) this.judge(cameBack && !isLate ? elapsed : 0);
    this.heard.clear();
    this.beat();
  }

  private judge(elapsed: number): void {
    const others = this.options.nodes().filter(({ boot }) => boot !== this.boot);
    let isChanged = false;
    for (const { boot } of others) {
      if (this.heard.has(boot)) continue;
      const wasSilent = this.isSilent(boot);
      this.silences.set(boot, (this.silences.get(boot) ?? 0) + elapsed);
      isChanged ||= !wasSilent && this.isSilent(boot);
    }
    const present = new Set(others.map(({ boot }) => boot));
    for (const boot of this.silences.keys()) if (!present.has(boot)) this.silences.delete(boot);
    if (isChanged) this.options.onChange();
  }

  private beat(): void {
    const { connection } = this.options;
    if (connection.isClosed() || connection.isDraining()) return;
    const beat: Beat = { nodeId: this.nodeId, boot: this.boot };
    connection.publish(beatSubject(this.role), JSON.stringify(beat));
  }
}
