/** Limits of the number of open connections: in all, and from one address. */
import { getOrSet } from "../get-or-set";

export interface ConnectionBounds {
  inAll: number;
  /** Maximum for one address; in IPv6, for one /64. */
  perAddress: number;
}

export class ConnectionCaps {
  private readonly byAddress = new Map<string, { count: number }>();
  private count = 0;

  constructor(private readonly most: ConnectionBounds) {}

  /** Takes one place. @returns a function that gives the place back; undefined when there is no free place */
  enter(): (() => void) | undefined {
    if (this.count >= this.most.inAll) return undefined;
    this.count++;
    return once(() => this.count--);
  }

  /**
   * Takes one place of an address. Processes of the same machine have no limit, because one of them may be a proxy that does not
   * name its clients.
   * @returns as `enter`
   */
  enterFrom(address: string): (() => void) | undefined {
    if (isLoopback(address)) return NOTHING;
    const key = addressKey(address);
    const place = getOrSet(this.byAddress, key, () => ({ count: 0 }));
    if (place.count >= this.most.perAddress) return undefined;
    place.count++;
    return once(() => {
      if (--place.count === 0) this.byAddress.delete(key);
    });
  }
}

const NOTHING = () => {};

function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\.|^::1$/i.test(address);
}

/** Gives a place back once, however often it is called. */
function once(giveBack: () => void): () => void {
  let isHeld = true;
  return () => {
    if (isHeld) giveBack();
    isHeld = false;
  };
}

/**
 * The key under which clients are counted by address: an address of IPv4, or the /64 network of IPv6, because a client that has
 * one address of such a network has all 2^64 of them.
 * @param address in the form of sockets: `192.0.2.1`, `2001:db8::1`, `::ffff:192.0.2.1`, with or without a zone
 */
export function addressKey(address: string): string {
  const [plain] = address.toLowerCase().split("%") as [string];
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  if (mapped !== null) return mapped[1]!;
  if (!plain.includes(":")) return plain;
  return `${groupsOf(plain).slice(0, 4).join(":")}::/64`;
}

/** The eight groups of an IPv6 address without leading zeros. */
function groupsOf(address: string): string[] {
  const [head = "", tail] = address.split("::");
  const first = head.split(":").filter((group) => group !== "");
  const last = (tail ?? "").split(":").filter((group) => group !== "");
  const missing = Math.max(0, 8 - first.length - last.length);
  const all = tail === undefined ? first : [...first, ...Array.from({ length: missing }, () => "0"), ...last];
  return all.map((group) => group.replace(/^0+(?=.)/, ""));
}
