/** Questions to the workers that own conversations. */
import { partitionOf } from "@carillon/base";
import {
  type AskedOwner,
  askOwner,
  type Bus,
  type OwnerAnswer,
  type OwnerAsk,
  type ReadableSpans,
} from "@carillon/bus";
import { CarillonError, groupConversationId, parseConversationId } from "@carillon/protocol";

export class ConversationOwners {
  constructor(
    private readonly bus: Bus,
    private readonly partitions: number,
  ) {}

  /**
   * Tells the owner of a group's conversation that the group has changed; resolves when its history has the events.
   * @throws CarillonError BUSY when no owner answers
   */
  async groupChanged(groupId: string): Promise<void> {
    await this.ask(groupConversationId(groupId), { ask: "group-changed", groupId });
  }

  /**
   * Reads which numbers of a conversation a user may read.
   * @throws CarillonError NO_SUCH_CONVERSATION when the user does not belong to it; BUSY when no owner answers
   */
  async spansOf(userId: string, conversationId: string): Promise<ReadableSpans> {
    const parts = parseConversationId(conversationId);
    if (parts?.kind === "group") {
      return this.ask(conversationId, { ask: "group-spans", groupId: parts.groupId, userId });
    }
    if (parts?.userIds.includes(userId) !== true) throw new CarillonError("NO_SUCH_CONVERSATION");
    return this.whole(conversationId);
  }

  /** Reads all numbers of a conversation, for operators. @throws CarillonError BUSY when no owner answers */
  async whole(conversationId: string): Promise<ReadableSpans> {
    const { lastSeq } = await this.ask(conversationId, { ask: "last-seq", conversationId });
    return { spans: [[1, lastSeq]], lastSeq };
  }

  private ask<Ask extends OwnerAsk>(conversationId: string, question: AskedOwner<Ask>): Promise<OwnerAnswer<Ask>> {
    return askOwner(this.bus, partitionOf(conversationId, this.partitions), question);
  }
}
