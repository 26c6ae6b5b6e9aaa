/** Harm to one link between a process and a store. */
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

export const silenceLink = (role: Role, store: Store, direction: LinkDirection) =>
  harm(role, store, (proxy) => proxy.silence(direction));

export const slowLink = (role: Role, store: Store, ms: number) => harm(role, store, (proxy) => proxy.delay(ms));
