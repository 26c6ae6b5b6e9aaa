/**
 * Which gateway is a user's: the first choice of the ring. A client that comes to another one is sent on, unless it
 * says that the first choice did not answer (fallback): then the second of the ring takes it, and so does any
 * gateway at the third try in 10 s.
 */
import type { GatewayAddress } from "@carillon/protocol";

const TRIES = 3;
const TRIES_MS = 10_000;

/** The ring of gateways, as this gateway sees it. */
export interface GatewayRing {
  /** The first `count` distinct gateways of a user, the ring's choice first. */
  walk(userId: string, count: number): string[];
  address(nodeId: string): GatewayAddress | undefined;
}

export class Placement {
  /** Times of recent CONNECTs that were at the wrong gateway, by user. */
  private readonly tries = new Map<string, number[]>();

  constructor(
    private readonly nodeId: string,
    private readonly ring: GatewayRing,
  ) {}

  /**
   * Whether a user's connection may stay.
   * @param now monotonic ms
   * @returns "here" when the ring says so, "fallback" when it is accepted all the same, else where to go
   */
  judge(userId: string, fallback: boolean, now: number): "here" | "fallback" | GatewayAddress | undefined {
    const { ring } = this;
    const [first, second] = ring.walk(userId, 2);
    if (first === this.nodeId || first === undefined) return "here";
    if (fallback && (second === this.nodeId || this.countTry(userId, now) >= TRIES)) return "fallback";
    if (!fallback && this.countTry(userId, now) >= TRIES) return "fallback";
    return ring.address(first);
  }

  /** Where a user belongs by the ring, if that is not here. */
  elsewhere(userId: string): GatewayAddress | undefined {
    const { ring } = this;
    const [first] = ring.walk(userId, 1);
    return first === undefined || first === this.nodeId ? undefined : ring.address(first);
  }

  /** Where a user goes when this gateway leaves, whether or not the ring has heard of it yet. */
  withoutMe(userId: string): GatewayAddress | undefined {
    const other = this.ring.walk(userId, 2).find((nodeId) => nodeId !== this.nodeId);
    return other === undefined ? undefined : this.ring.address(other);
  }

  private countTry(userId: string, now: number): number {
    const recent = (this.tries.get(userId) ?? []).filter((time) => now - time < TRIES_MS);
    recent.push(now);
    this.tries.set(userId, recent);
    if (this.tries.size > 10_000) this.tries.clear();
    return recent.length;
  }
}
