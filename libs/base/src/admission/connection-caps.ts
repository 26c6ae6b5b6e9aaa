/** How many connections there may be at once: in all, and from one address. */
import { getOrSet } from "../get-or-set";
import { addressKey } from "./address-key";

export interface ConnectionBounds {
  inAll: number;
  /** Of one address; of IPv6, of one /64. */
  perAddress: number;
}

export class ConnectionCaps {
  private readonly byAddress = new Map<string, { count: number }>();
  private count = 0;

  constructor(private readonly most: ConnectionBounds) {}

  /** Takes one of the places there are. @returns gives it back; undefined when there is none */
  enter(): (() => void) | undefined {
    if (this.count >= this.most.inAll) return undefined;
    this.count++;
    return once(() => this.count--);
  }

  /**
   * Takes one of the places of an address. Processes of the same machine have as many as they like: they may be a proxy that
   * does not say whom it serves.
   * @returns as `enter`
   */
  enterFrom(address: string): (() => void) | undefined {
    if (isLoopback(address)) return () => {};
    const key = addressKey(address);
    const place = getOrSet(this.byAddress, key, () => ({ count: 0 }));
    if (place.count >= this.most.perAddress) return undefined;
    place.count++;
    return once(() => {
      if (--place.count === 0) this.byAddress.delete(key);
    });
  }
}

function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\.|^::1$/i.test(address);
}

/** A place is given back once, however often that is said. */
function once(giveBack: () => void): () => void {
  let isHeld = true;
  return () => {
    if (isHeld) giveBack();
    isHeld = false;
  };
}
