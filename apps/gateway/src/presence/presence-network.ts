/** Presence between gateways, over the bus: what this gateway publishes, listens to and asks of workers. */
import {
  ask,
  type Bus,
  castPresence,
  listenToPresence,
  type PresenceFound,
  type PresenceNews,
  type PresenceRead,
  subjects,
} from "@carillon/bus";

export class PresenceNetwork {
  /** @param node this gateway and its boot */
  constructor(
    private readonly bus: Bus,
    private readonly node: Pick<PresenceNews, "gateway" | "boot">,
  ) {}

  /** Tells all gateways that listen which platforms of a user this gateway has. */
  publish(userId: string, platforms: string[]): void {
    castPresence(this.bus, userId, { ...this.node, platforms, since: this.bus.clock.now() });
  }

  /** Listens to what gateways publish of a user. @returns a function that ends the listening */
  listen(userId: string, onNews: (news: PresenceNews) => void): () => void {
    return listenToPresence(this.bus, userId, onNews);
  }

  /** Resolves when everything that is published from now on arrives here. */
  settled(): Promise<void> {
    return this.bus.connection.flush();
  }

  /** Asks a worker where users are and who may see them. @throws CarillonError BUSY */
  find(question: PresenceRead): Promise<PresenceFound> {
    return ask<PresenceRead, PresenceFound>(this.bus, subjects.presence, question);
  }
}
