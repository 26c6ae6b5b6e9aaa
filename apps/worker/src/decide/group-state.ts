/** A group as the owner of its conversation knows it. */
import type { Group, GroupChange, GroupStay, LoadedGroup, MemberStays } from "@carillon/store";
import type { GroupChanges } from "./unarchived";

export class GroupState {
  private readonly members = new Map<string, MemberStays>();
  private owed: GroupChange[] = [];
  /** Highest version whose event is in the log, as far as it was ever known here. */
  private told = 0;
  private current: Group;

  /** @param loadedAt monotonic ms */
  constructor(
    loaded: LoadedGroup,
    readonly conversationId: string,
    public loadedAt: number,
    private readonly numbered: GroupChanges,
  ) {
    this.current = loaded.group;
    this.refresh(loaded, loadedAt);
  }

  get group(): Group {
    return this.current;
  }

  /** Members and former members that are remembered. */
  get size(): number {
    return this.members.size;
  }

  /** Takes over what has changed since. */
  refresh({ group, members, changes }: LoadedGroup, loadedAt: number): void {
    this.current = group;
    for (const member of members) this.members.set(member.userId, member);
    this.owed = changes;
    this.loadedAt = loadedAt;
    this.settle();
  }

  /**
   * Takes over the numbers of changes that are in the log now: the log forgets them when MySQL has them, and what was
   * loaded before is not read again.
   */
  settle(): void {
    this.told = Math.max(this.told, this.numbered.version(this.conversationId));
    for (const { stays } of this.members.values()) {
      for (const stay of stays) {
        if (stay.joinedSeq === 0) stay.joinedSeq = this.numberOf(stay.joinedVersion) ?? 0;
        if (stay.leftVersion !== undefined) stay.leftSeq ??= this.numberOf(stay.leftVersion);
      }
    }
  }

  /**
   * Whether a stay has a number that is not known here although MySQL owes its change no more: another owner has told of it.
   * The version of a member does not rise with the number, so only the whole group has it.
   */
  get lacksNumbers(): boolean {
    const owed = new Set(this.owed.map(({ version }) => version));
    const isLacking = ({ joinedVersion, joinedSeq, leftVersion, leftSeq }: GroupStay) =>
      (joinedSeq === 0 && !owed.has(joinedVersion)) ||
      (leftVersion !== undefined && leftSeq === undefined && !owed.has(leftVersion));
    for (const { stays } of this.members.values()) if (stays.some(isLacking)) return true;
    return false;
  }

  /** Undefined for one who is no member now. */
  member(userId: string): MemberStays | undefined {
    const member = this.members.get(userId);
    return member?.isPresent === true ? member : undefined;
  }

  /** The members of the group now. */
  get present(): string[] {
    return [...this.members.values()].filter(({ isPresent }) => isPresent).map(({ userId }) => userId);
  }

  /** Changes whose events are not in the log yet, in order. */
  get pending(): GroupChange[] {
    const told = Math.max(this.told, this.numbered.version(this.conversationId));
    return this.owed.filter((change) => change.version > told);
  }

  /** From which numbers to which this user belongs to the group, stay by stay; empty for one who never did. */
  spansOf(userId: string): { from: number; to: number }[] {
    const stays = this.members.get(userId)?.stays ?? [];
    // A stay whose beginning is not in the log yet is not one.
    return stays
      .filter(({ joinedSeq }) => joinedSeq > 0)
      .map(({ joinedSeq, leftSeq = Number.POSITIVE_INFINITY }) => ({ from: joinedSeq, to: leftSeq }));
  }

  /** Whether the event of that number is this user's to see. */
  isShownTo(userId: string, seq: number): boolean {
    const stays = this.members.get(userId)?.stays ?? [];
    return stays.some(
      ({ joinedSeq, leftSeq }) => joinedSeq > 0 && joinedSeq <= seq && (leftSeq === undefined || seq <= leftSeq),
    );
  }

  /** The users who receive the event of that number. */
  recipients(seq: number): string[] {
    const result: string[] = [];
    for (const userId of this.members.keys()) if (this.isShownTo(userId, seq)) result.push(userId);
    return result;
  }

  private numberOf(version: number): number | undefined {
    return this.numbered.seqOf(this.conversationId, version);
  }
}
