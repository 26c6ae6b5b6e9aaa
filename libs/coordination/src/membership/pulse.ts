import { guarded } from "@carillon/base";
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import type { NodeRecord } from "./node-record";

interface Beat {
  nodeId: string;
  boot: string;
  /** Its sender does not hear itself. */
  deaf?: true;
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

/** How often others are looked at between two beats: a death is seen when it is due, not up to a beat later. */
const LOOKS_PER_BEAT = 5;
/** A look that comes this much before the next beat is due sends it: the next look may be late. */
const LOOK_EARLY_MS = 20;
/** Who has sent so many beats and heard none of them come back is deaf. They are counted: a process that stalls sends none. */
const DEAF_BEATS = 2;

export function beatSubject(role: string): string {
  return `im.hb.${role}`;
}

/** The boot that a beat is of; undefined for what is no beat. */
export function bootOfBeat(message: Msg): string | undefined {
  return beatOf(message).boot;
}

/** Empty for what is no beat. */
function beatOf(message: Msg): Partial<Beat> {
  try {
    return message.json<Partial<Beat> | null>() ?? {};
  } catch {
    return {};
  }
}

/**
 * The heartbeat of one member, and what it hears of the others of its role.
 *
 * A link may lose what comes and carry what goes. Whoever is at the wrong end of it can do no work, as if dead, and would
 * be believed well: so such a member says in its beats that it is deaf, and they count as silence.
 */
export class Pulse {
  private readonly timer: NodeJS.Timeout;
  private readonly subscription: Subscription | undefined;
  /** Silence of the others in ms, by boot: a restarted node is not its former self. */
  private readonly silences = new Map<string, number>();
  /** How long our own beats have not come back, ms: that says something about NATS, and nothing about us. */
  private ownSilence = 0;
  /** Beats sent since one of our own came back. */
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
      const hear = guarded("subscription", (message: Msg) => this.hear(beatOf(message)));
      this.subscription = connection.subscribe(beatSubject(role), {
        callback: (error, message) => {
          if (error === null) hear(message);
        },
      });
    }
    this.timer = setInterval(
      guarded("timer", () => this.tick()),
      heartbeatMs / LOOKS_PER_BEAT,
    );
    this.beat();
  }

  /** How long nothing was heard of that boot, ms, as far as it could have been heard; 0 for our own. */
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

  private hear({ boot, deaf }: Partial<Beat>): void {
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
    // By the clock, not by counting looks: those of a busy process come late, each a little.
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
