/** The small model: what every operation is answered, and what everybody sees in the end. It knows nothing of servers. */
import { Conversation } from "./conversation";
import { Friends } from "./friends";
import { Group } from "./group";
import type { Operation } from "./operations";

/** An operation that means nothing here: neither the model nor the cluster does it. */
export const SKIPPED = "skipped";

export class Model {
  readonly friends = new Friends();
  readonly groups = new Map<number, Group>();
  /** By the two people, the lower number first. */
  private readonly chats = new Map<string, Conversation>();

  chat(who: number, whom: number): Conversation {
    const pair = [who, whom].sort((a, b) => a - b);
    const known = this.chats.get(pair.join());
    if (known !== undefined) return known;
    const chat = new Conversation();
    for (const one of pair) chat.enter(one);
    this.chats.set(pair.join(), chat);
    return chat;
  }

  /** @returns what the one who does it is told */
  apply(op: Operation): string {
    switch (op.do) {
      case "befriend":
        // Asked and accepted in one go; a block stands in the way of either.
        return `${this.friends.change("ask", op.who, op.whom)} ${this.friends.change("accept", op.whom, op.who)}`;
      case "ask":
      case "accept":
      case "reject":
      case "unfriend":
      case "block":
      case "unblock":
        return this.friends.change(op.do, op.who, op.whom);
      case "write":
        return this.friends.refuse(op.who, op.whom) ?? this.chat(op.who, op.whom).add("message", op.who, op.text);
      case "recall": {
        const chat = this.chat(op.who, op.whom);
        return op.which >= chat.lastSeq ? SKIPPED : chat.recall(op.who, chat.lastSeq - op.which, false);
      }
      case "read": {
        const chat = this.chat(op.who, op.whom);
        return op.which >= chat.lastSeq ? SKIPPED : chat.readUpTo(op.who, chat.lastSeq - op.which);
      }
      case "arrange":
        return this.chat(op.who, op.whom).arrange(op.who, op.how);
      case "create":
        if (this.groups.has(op.group)) return SKIPPED;
        // Nobody brings into a group whom they may not write to.
        for (const other of op.others) {
          const refused = this.friends.refuse(op.who, other);
          if (refused !== undefined) return refused;
        }
        this.groups.set(op.group, new Group(op.who, op.others, op.joinPolicy, this.friends));
        return "ok";
      case "offline":
      case "online":
      case "look":
        return "ok";
      case "read-in":
      case "recall-in": {
        const group = this.groups.get(op.group);
        return group === undefined || op.which >= group.conversation.lastSeq ? SKIPPED : group.apply(op);
      }
      default:
        return this.groups.get(op.group)?.apply(op) ?? SKIPPED;
    }
  }
}
