/** A group in the model, by the rules of the protocol alone. */
import { Conversation } from "./conversation";
import type { Friends } from "./friends";
import type { JoinPolicy, Operation } from "./operations";

type Role = "member" | "admin" | "owner";
const RANK: Record<Role, number> = { member: 0, admin: 1, owner: 2 };

export class Group {
  readonly conversation = new Conversation();
  readonly members = new Map<number, { role: Role; isMuted: boolean }>();
  private readonly wasMember = new Set<number>();
  /** People who left by themselves, and people whom an admin has removed. */
  private readonly hasLeft = new Set<number>();
  private readonly banned = new Set<number>();
  private readonly asking = new Set<number>();
  private readonly refused = new Set<number>();
  private isMuted = false;
  isDissolved = false;

  constructor(
    owner: number,
    others: number[],
    private readonly joinPolicy: JoinPolicy,
    private readonly friends: Friends,
  ) {
    this.conversation.add("system", owner, "created");
    this.enter(owner, "owner");
    for (const other of others) this.enter(other, "member");
  }

  /** @returns "ok", "asked", SENT, or the name of the error */
  apply(op: Extract<Operation, { group: number; who: number }>): string {
    switch (op.do) {
      case "join":
        return this.join(op.who, op.whom);
      case "let-in":
      case "turn-down":
        return this.answer(op.who, op.whom, op.do === "let-in");
      case "remove":
        return op.who === op.whom ? this.leave(op.who) : this.remove(op.who, op.whom);
      case "role":
        return this.setRole(op.who, op.whom, op.role);
      case "mute":
        return this.mute(op.who, op.whom, op.isMuted);
      case "transfer":
        return this.transfer(op.who, op.whom);
      case "mute-all":
        if (this.isMuted === op.isMuted) return this.need(op.who, "admin") ?? "ok";
        return this.need(op.who, "admin") ?? this.tell(op.who, "muted", () => (this.isMuted = op.isMuted));
      case "dissolve":
        if (!this.members.has(op.who)) return "NOT_A_MEMBER";
        if (this.isDissolved) return "ok";
        return this.need(op.who, "owner") ?? this.tell(op.who, "dissolved", () => (this.isDissolved = true));
      case "say":
        return this.refuse(op.who) ?? this.conversation.add("message", op.who, op.text);
      case "recall-in":
        return this.recall(op.who, this.conversation.lastSeq - op.which);
      case "arrange-in":
        return this.conversation.arrange(op.who, op.how);
      case "read-in":
        return this.conversation.readUpTo(op.who, this.conversation.lastSeq - op.which);
      default:
        throw new Error(`no operation of a group: ${op.do}`);
    }
  }

  private join(who: number, whom: number): string {
    if (who === whom && this.joinPolicy === "approval" && !this.members.has(whom) && !this.isDissolved) {
      if (this.banned.has(whom)) return "BANNED";
      if (this.refused.has(whom)) return "FORBIDDEN";
      this.asking.add(whom);
      return "asked";
    }
    if (this.members.has(whom)) return "ok";
    // An outsider does not hear of a group that they cannot come into.
    if (who === whom && (this.isDissolved || this.joinPolicy === "invite")) return "NOT_FOUND";
    if (this.isDissolved) return this.members.has(who) ? "GROUP_DISSOLVED" : "NOT_A_MEMBER";
    if (who !== whom && !this.members.has(who)) return "NOT_A_MEMBER";
    const mayJoin = this.joinPolicy === "open" || (who !== whom && this.members.get(who)!.role !== "member");
    if (!mayJoin) return "FORBIDDEN";
    const isAdmin = this.members.has(who) && this.members.get(who)!.role !== "member";
    if (this.banned.has(whom) && !isAdmin) return "BANNED";
    return who === whom ? this.letIn(who, whom) : this.bring(who, whom);
  }

  /** Invites a person who has left by themselves; any other person joins at once. */
  private bring(who: number, whom: number): string {
    const refused = this.friends.refuse(who, whom);
    if (refused !== undefined) return refused;
    return this.hasLeft.has(whom) ? "ok" : this.letIn(who, whom);
  }

  private answer(who: number, whom: number, isAccepted: boolean): string {
    if (!this.members.has(who)) return "NOT_A_MEMBER";
    if (this.members.get(who)!.role === "member") return "FORBIDDEN";
    if (isAccepted && !this.members.has(whom) && !this.asking.has(whom)) return "NOT_FOUND";
    if (isAccepted && this.isDissolved) return "GROUP_DISSOLVED";
    if (isAccepted && !this.members.has(whom)) return this.letIn(who, whom);
    if (!isAccepted && this.asking.delete(whom)) this.refused.add(whom);
    return "ok";
  }

  private letIn(who: number, whom: number): string {
    return this.tell(who, "joined", () => this.enter(whom, "member"));
  }

  private leave(who: number): string {
    if (!this.wasMember.has(who)) return "NOT_A_MEMBER";
    if (!this.members.has(who)) return "ok";
    if (this.members.get(who)!.role === "owner") return "CONFLICT";
    return this.tell(who, "left", () => {
      this.exit(who);
      this.hasLeft.add(who);
    });
  }

  private remove(who: number, whom: number): string {
    const refused = this.need(who, "admin");
    if (refused !== undefined) return refused;
    if (!this.members.has(whom)) return "ok";
    return (
      this.outrank(who, whom) ??
      this.tell(who, "removed", () => {
        this.exit(whom);
        this.banned.add(whom);
      })
    );
  }

  private setRole(who: number, whom: number, role: "admin" | "member"): string {
    const refused = this.need(who, "owner") ?? this.find(whom) ?? this.outrank(who, whom);
    if (refused !== undefined) return refused;
    const member = this.members.get(whom)!;
    return member.role === role ? "ok" : this.tell(who, "role", () => (member.role = role));
  }

  private mute(who: number, whom: number, isMuted: boolean): string {
    const refused = this.need(who, "admin") ?? this.find(whom) ?? this.outrank(who, whom);
    if (refused !== undefined) return refused;
    const member = this.members.get(whom)!;
    return member.isMuted === isMuted ? "ok" : this.tell(who, "member-muted", () => (member.isMuted = isMuted));
  }

  private transfer(who: number, whom: number): string {
    if (this.members.get(whom)?.role === "owner" && this.members.has(who)) return "ok";
    const refused = this.need(who, "owner") ?? this.find(whom);
    if (refused !== undefined) return refused;
    return this.tell(who, "transferred", () => {
      this.members.get(who)!.role = "admin";
      this.members.get(whom)!.role = "owner";
    });
  }

  private recall(who: number, seq: number): string {
    const member = this.members.get(who);
    if (member === undefined) return "NOT_A_MEMBER";
    if (!this.conversation.maySee(who, seq)) return "NO_SUCH_MESSAGE";
    return this.conversation.recall(who, seq, member.role !== "member");
  }

  private refuse(who: number): string | undefined {
    const member = this.members.get(who);
    if (member === undefined) return "NOT_A_MEMBER";
    if (this.isDissolved) return "GROUP_DISSOLVED";
    return member.isMuted || (this.isMuted && member.role === "member") ? "GROUP_MUTED" : undefined;
  }

  /** @returns the error of a person whose role is lower than this one */
  private need(who: number, role: Role): string | undefined {
    const member = this.members.get(who);
    if (member === undefined) return "NOT_A_MEMBER";
    if (this.isDissolved) return "GROUP_DISSOLVED";
    return RANK[member.role] < RANK[role] ? "FORBIDDEN" : undefined;
  }

  private find(whom: number): string | undefined {
    return this.members.has(whom) ? undefined : "NOT_FOUND";
  }

  private outrank(who: number, whom: number): string | undefined {
    return RANK[this.members.get(who)!.role] <= RANK[this.members.get(whom)!.role] ? "FORBIDDEN" : undefined;
  }

  private tell(who: number, what: string, change: () => void): "ok" {
    this.conversation.add("system", who, what);
    change();
    return "ok";
  }

  private enter(who: number, role: Role): void {
    this.members.set(who, { role, isMuted: false });
    this.wasMember.add(who);
    for (const waiting of [this.asking, this.refused, this.hasLeft, this.banned]) waiting.delete(who);
    this.conversation.enter(who);
  }

  private exit(who: number): void {
    this.members.delete(who);
    this.conversation.leave(who);
  }
}
