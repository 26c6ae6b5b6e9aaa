import { guarded } from "@carillon/base";
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import type { NodeRecord } from "./node-record";

interface Beat {
  nodeId: string;
  boot: string;
  /** Whether the sender does not receive its own heartbeats. */
  deaf?: true;
}

export interface PulseOptions {
  connection: NatsConnection;
  heartbeatMs: number;
  suspectMs: number;
  /** Whether to listen to the other members of the role. */
  judges: boolean;
  /** Nodes of the role in the view. */
  nodes(): NodeRecord[];
  /** Called when the silence of a node begins or ends. */
  onChange(): void;
}

/** Number of looks between two heartbeats: with several, a death is seen when it is due and not up to a heartbeat later. */
const LOOKS_PER_BEAT = 5;
/** A look that is this much earlier than the next heartbeat sends it, ms: the next look may be late. */
const LOOK_EARLY_MS = 20;
/**
 * A member is deaf when it has sent this number of heartbeats and none came back. Counting works for a stalled process, which
 * sends none.
 */
const DEAF_BEATS = 2;

export function beatSubject(role: string): string {
  return `im.hb.${role}`;
}

/** Returns the boot of a heartbeat; undefined for other messages. */
export function bootOfBeat(message: Msg): string | undefined {
  return beatOf(message).boot;
}

/** The parts of a heartbeat; empty for other messages. */
function beatOf(message: Msg): Partial<Beat> {
  try {
    return message.json<Partial<Beat> | null>() ?? {};
  } catch {
    return {};
  }
}

/**
 * The heartbeat of one member, and its knowledge of the other members of its role.
 *
 * A network path may carry what a member sends and lose what it should receive. Such a member cannot do any work, as if it were
 * dead, but its heartbeats would make it look healthy. So it says in its heartbeats that it is deaf, and they count as silence.
 */
export class Pulse {
  private readonly timer: NodeJS.Timeout;
  private readonly subscription: Subscription | undefined;
  /** Silence of the others in ms, by boot: a restarted node counts as another node. */
  private readonly silences = new Map<string, number>();
  /** Time since the member's own heartbeats came back, ms: it tells about the path through NATS, not about the member. */
  private ownSilence = 0;
  /** Number of heartbeats sent since one of them came back. */
  private unheard = 0;
  private lastLook = performance.now();
  private lastBeat = 0;

  constructor(
    readonly role: string,
    private readonly nodeId: string,
    private readonly boot: string,
    private readonly options: PulseOptions,
  ) {
    const { connection, heartbeatMs, judges } = options;
    if (judges) {
      const onMessage = guarded("subscription", (message: Msg) => this.receive(beatOf(message)));
      this.subscription = connection.subscribe(beatSubject(role), {
        callback: (error, message) => {
          if (error === null) onMessage(message);
        },
      });
    }
    this.timer = setInterval(
      guarded("timer", () => this.tick()),
      heartbeatMs / LOOKS_PER_BEAT,
    );
    this.beat();
  }

  /** Time without a heartbeat of that boot, ms, counted only while this member could have received one; 0 for its own boot. */
  silenceOf(boot: string): number {
    return this.silences.get(boot) ?? 0;
  }

  isSilent(boot: string): boolean {
    return this.silenceOf(boot) >= this.options.suspectMs;
  }

  stop(): void {
    clearInterval(this.timer);
    if (!this.options.connection.isClosed()) this.subscription?.unsubscribe();
  }

  private receive({ boot, deaf }: Partial<Beat>): void {
    if (typeof boot !== "string") return;
    if (boot === this.boot) {
      this.ownSilence = 0;
      this.unheard = 0;
      return;
    }
    if (deaf === true) return;
    const wasSilent = this.isSilent(boot);
    this.silences.delete(boot);
    if (wasSilent) this.options.onChange();
  }

  private tick(): void {
    const now = performance.now();
    const elapsed = now - this.lastLook;
    this.lastLook = now;
    if (this.options.judges) this.judge(elapsed);
    // Measured by the clock and not by counting looks, because each look of a busy process is a little late.
    if (now - this.lastBeat >= this.options.heartbeatMs - LOOK_EARLY_MS) this.beat();
  }

  private judge(elapsed: number): void {
    const { heartbeatMs, nodes } = this.options;
    this.ownSilence += elapsed;
    const isStalled = elapsed >= heartbeatMs * 2;
    const isCutOff = this.ownSilence > heartbeatMs * 2;
    const others = nodes().filter(({ boot }) => boot !== this.boot);
    let isChanged = false;
    if (!isStalled && !isCutOff) {
      for (const { boot } of others) {
        const wasSilent = this.isSilent(boot);
        this.silences.set(boot, this.silenceOf(boot) + elapsed);
        isChanged ||= !wasSilent && this.isSilent(boot);
      }
    }
    const present = new Set(others.map(({ boot }) => boot));
    for (const boot of this.silences.keys()) if (!present.has(boot)) this.silences.delete(boot);
    if (isChanged) this.options.onChange();
  }

  private beat(): void {
    const { connection } = this.options;
    this.lastBeat = performance.now();
    if (connection.isClosed() || connection.isDraining()) return;
    const isDeaf = this.subscription !== undefined && this.unheard >= DEAF_BEATS;
    const beat: Beat = { nodeId: this.nodeId, boot: this.boot, ...(isDeaf && { deaf: true }) };
    this.unheard++;
    connection.publish(beatSubject(this.role), JSON.stringify(beat));
  }
}
