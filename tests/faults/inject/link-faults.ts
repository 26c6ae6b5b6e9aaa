/** Faults of one link between a process and a store. */
import type { Role } from "@carillon/local";
import type { LinkDirection, TcpProxy } from "@carillon/testkit";
import { choose, type Fault } from "./fault";
import type { Store } from "./links";

function harm(role: Role, store: Store, how: (proxy: TcpProxy) => void): Fault {
  return {
    async strike({ links }, target) {
      const link = choose(links.between(role, store), target);
      if (link === undefined) return undefined;
      how(link.proxy);
      return { on: link.on, heal: async () => link.proxy.heal() };
    },
  };
}

export const cutLink = (role: Role, store: Store) => harm(role, store, (proxy) => proxy.cut());

/** Every process of a role loses its link to a store. */
export function cutAll(role: Role, store: Store): Fault {
  return {
    async strike({ links }) {
      const all = links.between(role, store);
      if (all.length === 0) return undefined;
      for (const { proxy } of all) proxy.cut();
      const heal = async () => {
        for (const { proxy } of all) proxy.heal();
      };
      return { on: `all ${role}s to ${store}`, heal };
    },
  };
}

export const silenceLink = (role: Role, store: Store, direction: LinkDirection) =>
  harm(role, store, (proxy) => proxy.silence(direction));

export const slowLink = (role: Role, store: Store, ms: number) => harm(role, store, (proxy) => proxy.delay(ms));
