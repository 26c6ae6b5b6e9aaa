/**
 * TYPING goes from gateway to gateway and not through the queue: it is a hint that may be lost. The owner of the conversation
 * says which users may see it: the users to whom the typing user may write.
 */
import { getOrSet, partitionOf } from "@carillon/base";
import { askOwner, type Bus, notify, serve, type TypingHint, typingHint } from "@carillon/bus";
import { Command, encodeFrame, parseConversationId } from "@carillon/protocol";
import { LRUCache } from "lru-cache";
import type { GatewayCluster } from "../session/placement";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";

/** Hints of one user in one conversation. */
const AT_MOST_EVERY_MS = 1_000;
const MOST_REMEMBERED = 10_000;
/** A user's devices are at the ring's first choice, or at the second when the first did not answer. */
const PLACES = 2;

export interface TypingOptions {
  bus: Bus;
  nodeId: string;
  partitions: number;
  cluster: Pick<GatewayCluster, "walk">;
  users: UserRegistry;
}

export class Typing {
  /** When the last hint was passed on, monotonic ms, by user and conversation. */
  private readonly recent = new LRUCache<string, number>({ max: MOST_REMEMBERED });
  private stopServing: () => void = () => {};

  constructor(private readonly options: TypingOptions) {}

  start(): void {
    const { bus, nodeId } = this.options;
    this.stopServing = serve(bus, typingHint.to(nodeId), (hint) => this.show(hint));
  }

  stop(): void {
    this.stopServing();
  }

  async hint(session: Session, conversationId: string): Promise<void> {
    const { bus, partitions, cluster } = this.options;
    const { userId } = session.identity!;
    const parts = parseConversationId(conversationId);
    if (parts?.kind === "private" && !parts.userIds.includes(userId)) return;
    if (!this.isDue(`${userId} ${conversationId}`)) return;
    const question = { ask: "listeners", conversationId, userId } as const;
    const to = await askOwner(bus, partitionOf(conversationId, partitions), question).catch(() => []);
    const byGateway = new Map<string, string[]>();
    for (const listener of to) {
      for (const gateway of cluster.walk(listener, PLACES)) {
        getOrSet(byGateway, gateway, (): string[] => []).push(listener);
      }
    }
    for (const [gateway, list] of byGateway) {
      notify(bus, typingHint.to(gateway), { conversationId, userId, to: list });
    }
  }

  private show({ conversationId, userId, to }: TypingHint): null {
    const frame = encodeFrame(Command.TYPING, 0, { conversationId, userId });
    for (const listener of to) {
      for (const session of this.options.users.openSessions(listener)) session.connection.send(frame);
    }
    return null;
  }

  private isDue(key: string): boolean {
    const now = this.options.bus.clock.monotonic();
    if (now - (this.recent.get(key) ?? Number.NEGATIVE_INFINITY) < AT_MOST_EVERY_MS) return false;
    this.recent.set(key, now);
    return true;
  }
}
