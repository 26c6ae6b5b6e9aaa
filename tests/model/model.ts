/** The small model: it computes the answer to each operation, and the view of each person in the end. It knows nothing of servers. */
import { Conversation } from "./conversation";
import { Friends } from "./friends";
import { Group } from "./group";
import type { Operation } from "./operations";

/** The answer to an operation that makes no sense here: neither the model nor the cluster executes it. */
export const SKIPPED = "skipped";

export class Model {
  readonly friends = new Friends();
  readonly groups = new Map<number, Group>();
  /** Private conversations by their two people, the lower number first. */
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

  /** @returns the answer to the person who acts */
  apply(op: Operation): string {
    switch (op.do) {
      case "befriend":
        // One operation asks and accepts; a block prevents both.
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
        // A person cannot add people to a group to whom they may not write.
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
