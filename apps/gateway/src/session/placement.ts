/**
 * The gateway at which a user should be: the first choice of the ring. A client that connects to another gateway is sent to
 * the first choice, unless the client says that the first choice did not answer (fallback). Then the second choice of the
 * ring accepts the client, and any gateway accepts it at the third try within 10 s.
 *
 * Gateways behind one balancer may have one address. To send a client there again could lead it back here, so a gateway keeps
 * each client that it would send to its own address.
 */
import { gatewayAddressOf } from "@carillon/bus";
import type { Coordination, Member } from "@carillon/coordination";
import type { GatewayAddress } from "@carillon/protocol";
import { LRUCache } from "lru-cache";
import type { ClientConnection } from "../accept/client-connection";

type Transport = ClientConnection["transport"];

const ROLE = "gateway";
const TRIES = 3;
const TRIES_MS = 10_000;
const MOST_REMEMBERED = 10_000;

/** All gateways, as this gateway's view shows them at the moment of a call, and the lease of this gateway itself. */
export class GatewayCluster {
  /** This gateway's own membership; undefined until it has joined. */
  member: Member | undefined;

  constructor(private readonly coordination: Coordination) {}

  /** Whether this gateway has its lease: without a lease it refuses requests with BUSY. */
  get hasLease(): boolean {
    return this.member?.hasLease ?? false;
  }

  /** Whether this gateway had its lease and has lost it: users may have sessions at other gateways, of which it does not hear. */
  get isCutOff(): boolean {
    return this.member?.hasLease === false;
  }

  /** Fingerprint of the ring. */
  get fingerprint(): string {
    return this.coordination.ringOf(ROLE).fingerprint;
  }

  /** The first `count` distinct gateways of a user, the ring's first choice first. */
  walk(userId: string, count: number): string[] {
    return this.coordination.ringOf(ROLE).walk(userId, count);
  }

  /** @returns undefined when the gateway is not in the view */
  address(nodeId: string): GatewayAddress | undefined {
    return gatewayAddressOf(this.coordination, nodeId);
  }

  /** Whether the gateway with this boot is in the view. */
  isThere(nodeId: string, boot: string): boolean {
    return this.coordination.view.get(ROLE, nodeId)?.boot === boot;
  }
}

export class Placement {
  /** Monotonic times of recent CONNECTs at the wrong gateway, by user. */
  private readonly tries = new LRUCache<string, number[]>({ max: MOST_REMEMBERED });

  constructor(
    private readonly nodeId: string,
    private readonly cluster: Pick<GatewayCluster, "walk" | "address">,
  ) {}

  /**
   * Whether a user's connection may stay.
   * @param now monotonic ms
   * @param transport of the connection
   * @returns "here" when the ring says so, "fallback" when the connection is accepted all the same, otherwise the address
   *   of the right gateway (undefined: its address is unknown)
   */
  judge(
    userId: string,
    fallback: boolean,
    now: number,
    transport: Transport,
  ): "here" | "fallback" | GatewayAddress | undefined {
    const { cluster } = this;
    const [first, second] = cluster.walk(userId, 2);
    if (first === this.nodeId || first === undefined) return "here";
    if (fallback && (second === this.nodeId || this.countTry(userId, now) >= TRIES)) return "fallback";
    if (!fallback && this.countTry(userId, now) >= TRIES) return "fallback";
    const there = cluster.address(first);
    return this.isHere(there, transport) ? "fallback" : there;
  }

  /** The address of the ring's first choice for a user, or undefined when that leads to this gateway. */
  elsewhere(userId: string, transport: Transport): GatewayAddress | undefined {
    const { cluster } = this;
    const [first] = cluster.walk(userId, 1);
    const there = first === undefined || first === this.nodeId ? undefined : cluster.address(first);
    return this.isHere(there, transport) ? undefined : there;
  }

  /** Whether an address of another gateway is this gateway's own address, too. */
  private isHere(there: GatewayAddress | undefined, transport: Transport): boolean {
    const address = there?.[transport];
    return address !== undefined && address === this.cluster.address(this.nodeId)?.[transport];
  }

  /** The address to which a user goes when this gateway leaves, whether or not the ring knows yet that it leaves. */
  withoutMe(userId: string): GatewayAddress | undefined {
    const other = this.cluster.walk(userId, 2).find((nodeId) => nodeId !== this.nodeId);
    return other === undefined ? undefined : this.cluster.address(other);
  }

  private countTry(userId: string, now: number): number {
    const recent = (this.tries.get(userId) ?? []).filter((time) => now - time < TRIES_MS);
    recent.push(now);
    this.tries.set(userId, recent);
    return recent.length;
  }
}
