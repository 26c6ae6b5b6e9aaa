/** Limits of the number of open connections: in all, and from one address. */
import { getOrSet } from "../get-or-set";
import { addressKey } from "./address-key";

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

/** Gives a place back once, however often it is called. */
function once(giveBack: () => void): () => void {
  let isHeld = true;
  return () => {
    if (isHeld) giveBack();
    isHeld = false;
  };
}
