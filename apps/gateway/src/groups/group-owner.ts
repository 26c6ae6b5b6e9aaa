/** Reaches the owner of a large group's conversation over the bus, and listens to the events that it publishes. */
import { partitionOf } from "@carillon/base";
import { askOwner, type Bus, type GroupRoster, listenToGroup } from "@carillon/bus";
import { groupConversationId } from "@carillon/protocol";

/** Users in one question, however long their ids are. */
const USERS_PER_QUESTION = 8_000;

export class GroupOwner {
  readonly conversationId: string;
  private readonly partition: number;

  constructor(
    private readonly bus: Bus,
    private readonly groupId: string,
    partitions: number,
  ) {
    this.conversationId = groupConversationId(groupId);
    this.partition = partitionOf(this.conversationId, partitions);
  }

  /**
   * Listens to the events of the group.
   * @returns when no later event is missed: a function that ends the listening
   */
  listen(onEvents: (events: Uint8Array[]) => void): Promise<() => void> {
    return listenToGroup(this.bus, this.groupId, onEvents);
  }

  /**
   * Asks which of these users belong to the group, and from which number on.
   * @throws CarillonError BUSY when the owner does not answer
   */
  roster(userIds: string[]): Promise<GroupRoster> {
    return inParts(userIds, (some) =>
      askOwner(this.bus, this.partition, { ask: "group-roster", groupId: this.groupId, userIds: some }),
    );
  }
}

/**
 * Asks for a roster in parts, each a little later than the one before. The whole counts as the roster of the first part's
 * number: later changes also arrive as events, even if a later part included them already.
 */
export async function inParts(userIds: string[], ask: (some: string[]) => Promise<GroupRoster>): Promise<GroupRoster> {
  const whole = await ask(userIds.slice(0, USERS_PER_QUESTION));
  for (let at = USERS_PER_QUESTION; at < userIds.length; at += USERS_PER_QUESTION) {
    const { isLarge, lastSeq, members } = await ask(userIds.slice(at, at + USERS_PER_QUESTION));
    whole.isLarge &&= isLarge;
    whole.lastSeq = Math.min(whole.lastSeq, lastSeq);
    whole.members.push(...members);
  }
  return whole;
}
