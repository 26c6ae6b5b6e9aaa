/**
 * The decision about one round of requests: which are accepted, under which number, and what every sender is
 * told. Pure: the partition's state is read and not changed; it changes when the record is folded, after the log
 * took it. So a refused append leaves no trace, and a round can be decided again.
 */

import { hash } from "node:crypto";
import { nextSnowflake } from "@carillon/base";
import type { LoggedEvent, Origin, OriginatedRequest, SendRequest } from "@carillon/bus";
import {
  busy,
  CarillonError,
  type ErrorName,
  encodeEvent,
  type GroupRole,
  parseConversationId,
  type SentPayload,
} from "@carillon/protocol";
import type { FoldedEvent, PartitionState } from "../partition/state";
import type { AcceptedMessage } from "./accepted-log";
import {
  mutedError,
  type Policy,
  type PrivateFacts,
  type RecallTarget,
  refuseGroup,
  refusePrivate,
  refuseRecall,
  type UserFacts,
} from "./authorize";
import { RoundIds, recognise } from "./dedupe-table";
import type { GroupState } from "./group-state";

/** Facts that were looked up for a round. Undefined always means: not known, because MySQL did not answer in time. */
export interface Facts {
  privateFacts(senderId: string, peerId: string): PrivateFacts | undefined;
  /** Null: there is no such group. */
  group(groupId: string): GroupState | null | undefined;
  /** The message that a RECALL is about; null: there is none, undefined also while it is not archived. */
  recallTarget(request: SendRequest): RecallTarget | null | undefined;
  /** Null: there is no such user. */
  user(userId: string): UserFacts | null | undefined;
  /** Highest number in the archive, 0 for a conversation without messages. */
  archivedLastSeq(conversationId: string): number | undefined;
  /** The archived message of that id; null when there is none. */
  archivedMessage(request: SendRequest): AcceptedMessage | null | undefined;
  /** Messages sent before this time, ms since 1970, may be missing in the archive because they were deleted. */
  readonly retentionCut: number;
}

/** The answer to one sender. */
export interface Verdict {
  origin: Origin;
  outcome: { sent: SentPayload } | { error: CarillonError };
  /** True only if the round's record is appended: about a message of this round, new, repeated or in conflict. */
  isTentative: boolean;
}

export interface Round {
  /** Accepted messages as the log takes them, in order; empty when nothing needs to be appended. */
  events: LoggedEvent[];
  /** The same messages as the state remembers them, once they are in the log. */
  accepted: FoldedEvent[];
  verdicts: Verdict[];
  /** Requests about which something is not known; their verdicts, which are among the others, are BUSY. */
  undecided: Map<OriginatedRequest, Verdict>;
}

/** Most bytes of the events of one record: below NATS's max_payload of 1 MiB, with their names and ids. */
const RECORD_BYTES = 900 * 1024;
/** Bytes that the record stores for an event beside the event itself. */
const ADDED_BYTES = 200;

/** Something that decides is not known yet. */
const UNKNOWN = "unknown";

type ConversationParts = ReturnType<typeof parseConversationId>;

/** An event without its number. All keys are there, also those without a value: objects of one shape are cheaper. */
type Unnumbered = Record<"senderId" | "conversationId" | "clientMsgId" | "digest", string> &
  Record<"targetSeq" | "version", number | undefined>;

/** Where an event comes from that no connection asked for. */
const NOBODY: Origin = { replyTo: "", boot: "", connection: 0, requestId: 0 };

export function decideRound(
  state: PartitionState,
  requests: OriginatedRequest[],
  facts: Facts,
  policy: Policy,
  now: number,
): Round {
  const round = new RoundInProgress(state, facts, policy, now);
  const verdicts = requests.map((request) => round.verdictOn(request));
  return { events: round.events, accepted: round.accepted, verdicts, undecided: round.undecided };
}

/**
 * The events that changes of groups owe to their conversations, as many as one record holds; what is left is told when this
 * is asked again after the append.
 * @returns undefined when nothing can be told because a conversation's last number is not known
 */
export function decideChanges(
  state: PartitionState,
  groups: GroupState[],
  facts: Facts,
  policy: Policy,
  now: number,
): Round | undefined {
  const round = new RoundInProgress(state, facts, policy, now);
  const isAllTold = groups.every((group) => round.recordChanges(group));
  if (!isAllTold && round.events.length === 0) return undefined;
  return { events: round.events, accepted: round.accepted, verdicts: [], undecided: round.undecided };
}

type Decided = Verdict["outcome"] | typeof UNKNOWN;

class RoundInProgress {
  readonly events: LoggedEvent[] = [];
  readonly accepted: FoldedEvent[] = [];
  readonly undecided: Round["undecided"] = new Map();
  /** Senders and conversations of the requests that are undecided: what follows them must not overtake them. */
  private readonly held = new Set<string>();
  private bytes = 0;
  /** Additions of this round to the state, before they are in the log. */
  private readonly numbers = new Map<string, number>();
  private readonly ids = new RoundIds();
  /** Highest version of a group whose change this round tells. */
  private readonly versions = new Map<string, number>();
  private readonly snowflake;

  constructor(
    private readonly state: PartitionState,
    private readonly facts: Facts,
    private readonly policy: Policy,
    private readonly now: number,
  ) {
    this.snowflake = { ...state.snowflake };
  }

  verdictOn(request: OriginatedRequest): Verdict {
    const { senderId, conversationId, clientMsgId } = request;
    const ofThisRound = this.ids.find(senderId, conversationId, clientMsgId);
    const isHeld = this.held.size > 0 && this.held.has(placeOf(request));
    const decided = isHeld ? UNKNOWN : this.decide(request, ofThisRound);
    if (decided === UNKNOWN) return this.leaveUndecided(request);
    const isNew = "sent" in decided && decided.sent.duplicate === undefined;
    const isTentative = isNew || ofThisRound !== undefined;
    return { origin: originOf(request), outcome: decided, isTentative };
  }

  private leaveUndecided(request: OriginatedRequest): Verdict {
    const verdict = { origin: originOf(request), outcome: { error: busy() }, isTentative: false };
    this.held.add(placeOf(request));
    this.undecided.set(request, verdict);
    return verdict;
  }

  private decide(request: OriginatedRequest, ofThisRound: AcceptedMessage | undefined): Decided {
    const { senderId, conversationId, clientMsgId, targetSeq } = request;
    const digest = targetSeq === undefined ? digestOf(request.contentType, request.content) : digestOfRecall(targetSeq);
    const table = this.state.dedupe;
    const recognition = recognise(
      request,
      digest,
      ofThisRound ?? table.find(senderId, conversationId, clientMsgId),
      this.facts.archivedMessage(request),
      table,
      this.now,
      Math.max(this.now - this.policy.keepMs, this.facts.retentionCut),
    );
    switch (recognition.kind) {
      case "duplicate":
        return { sent: sentPayload(request, recognition.first, true) };
      case "conflict":
        return refusal("CONFLICT", "this clientMsgId was used for another message");
      case "ahead":
        return refusal("BAD_PAYLOAD", "clientMsgId: is dated ahead of the server's clock");
      case "too-old":
        return refusal("BAD_PAYLOAD", "clientMsgId: is dated before what this server keeps");
      case "unknown":
        return UNKNOWN;
      case "new":
        return this.accept(request, digest);
    }
  }

  private accept(request: OriginatedRequest, digest: string): Decided {
    const { senderId, conversationId, clientMsgId, contentType, content, targetSeq } = request;
    const parts = parseConversationId(conversationId);
    const refused = targetSeq === undefined ? this.refuse(senderId, parts) : this.refuseRecall(request, parts);
    if (refused !== undefined) return refused;
    const accepted = this.number({ senderId, conversationId, clientMsgId, digest, targetSeq, version: undefined });
    if (accepted === undefined) return UNKNOWN;
    const { seq, messageId, sentAt } = accepted;
    const isMessage = targetSeq === undefined;
    const event = encodeEvent({
      conversationId,
      seq,
      senderId,
      kind: isMessage ? "message" : "recall",
      messageId,
      clientMsgId,
      contentType: isMessage ? (contentType as "text") : "system",
      sentAt,
      content: isMessage ? content : undefined,
      targetSeq,
    });
    const origin = originOf(request);
    this.push({ senderId, clientMsgId, digest, origin, event, fanOut: this.fanOutOf(parts) });
    return { sent: sentPayload(request, accepted, false) };
  }

  /**
   * The events of what has changed in a group come before anything that was asked after the change was loaded.
   * @returns false when the conversation's last number is not known, or the record has no room for all of them
   */
  recordChanges(group: GroupState): boolean {
    const { conversationId } = group;
    for (const { version, actorId: senderId, clientMsgId, content, fanOut = "write" } of group.pending) {
      if (version <= (this.versions.get(conversationId) ?? 0)) continue;
      if (this.bytes + Buffer.byteLength(content) > RECORD_BYTES) return false;
      const digest = digestOf("system", content);
      const accepted = this.number({ senderId, conversationId, clientMsgId, digest, targetSeq: undefined, version });
      if (accepted === undefined) return false;
      const { seq, messageId, sentAt } = accepted;
      const head = { conversationId, seq, senderId, messageId, clientMsgId, sentAt };
      const event = encodeEvent({ ...head, kind: "system", contentType: "system", content });
      this.push({ senderId, clientMsgId, digest, origin: NOBODY, event, version, fanOut });
      this.versions.set(conversationId, version);
    }
    return true;
  }

  private push(event: LoggedEvent): void {
    this.bytes += event.event.length + ADDED_BYTES;
    this.events.push(event);
  }

  /** Every change of the group is told before: it is as large as it was loaded. */
  private fanOutOf(parts: ConversationParts): LoggedEvent["fanOut"] {
    return parts?.kind === "group" ? this.facts.group(parts.groupId)?.group.fanOut : undefined;
  }

  /** The next number of a conversation, and what the state remembers of the event that gets it. */
  private number(event: Unnumbered): FoldedEvent | undefined {
    const { senderId, conversationId, clientMsgId, digest, targetSeq, version } = event;
    const last =
      this.numbers.get(conversationId) ??
      this.state.sequences.last(conversationId) ??
      this.facts.archivedLastSeq(conversationId);
    if (last === undefined) return undefined;
    const seq = last + 1;
    const messageId = nextSnowflake(this.snowflake, this.state.partition, this.now);
    const sentAt = this.now;
    this.numbers.set(conversationId, seq);
    const accepted = { senderId, conversationId, clientMsgId, digest, seq, messageId, sentAt, targetSeq, version };
    this.ids.add(accepted);
    this.accepted.push(accepted);
    return accepted;
  }

  private refuse(senderId: string, parts: ConversationParts): Decided | undefined {
    if (parts === undefined) return refusal("UNAVAILABLE");
    if (parts.kind === "group") return this.refuseInGroup(senderId, parts.groupId);
    const peerId = parts.userIds[0] === senderId ? parts.userIds[1] : parts.userIds[0];
    const facts = this.facts.privateFacts(senderId, peerId);
    if (facts === undefined) return UNKNOWN;
    const error = refusePrivate(facts, peerId === senderId, this.policy, this.now);
    if (error === "USER_MUTED") return { error: mutedError(error, facts.sender?.mutedUntil, this.now) };
    return error === undefined ? undefined : refusal(error);
  }

  private refuseInGroup(senderId: string, groupId: string): Decided | undefined {
    const [sender, group] = [this.facts.user(senderId), this.facts.group(groupId)];
    if (sender === undefined || group === undefined) return UNKNOWN;
    const member = group?.member(senderId);
    const error = refuseGroup(sender ?? undefined, group?.group, member, this.now);
    if (error === "USER_MUTED") return { error: mutedError(error, sender?.mutedUntil, this.now) };
    // Where the whole group is muted, the end of their own mute changes nothing.
    if (error === "GROUP_MUTED") {
      return { error: mutedError(error, group!.group.muted ? undefined : member!.mutedUntil, this.now) };
    }
    if (error !== undefined) return refusal(error);
    if (!this.recordChanges(group!)) return UNKNOWN;
    // In a large group members fetch what is said: it costs what telling them costs, and that is little.
    const recipients = group!.group.fanOut === "read" ? 1 : group!.present.length;
    const retryAfterMs = this.policy.spend?.(senderId, recipients) ?? 0;
    return retryAfterMs > 0 ? { error: new CarillonError("RATE_LIMITED", undefined, { retryAfterMs }) } : undefined;
  }

  /** In this round, or before the archive heard of it. */
  private wasRecalled(conversationId: string, seq: number): boolean {
    const isIt = (event: FoldedEvent) => event.targetSeq === seq && event.conversationId === conversationId;
    return this.state.recalled.has(conversationId, seq) || this.accepted.some(isIt);
  }

  private refuseRecall(request: OriginatedRequest, parts: ConversationParts): Decided | undefined {
    const { senderId, conversationId, targetSeq, byOperator = false } = request;
    const [sender, target] = [this.facts.user(senderId), this.facts.recallTarget(request)];
    if (sender === undefined || target === undefined) return UNKNOWN;
    if (sender?.status !== "normal" && !byOperator) return refusal("USER_DISABLED");
    const isRecalled = this.wasRecalled(conversationId, targetSeq!);
    // Operators may what the owner of a group may, and that everywhere.
    let role: GroupRole | undefined = byOperator ? "owner" : undefined;
    if (parts?.kind === "group") {
      const group = this.facts.group(parts.groupId);
      if (group === undefined) return UNKNOWN;
      role ??= group?.member(senderId)?.role;
      if (group === null || role === undefined) return refusal("NOT_A_MEMBER");
      const isShown = byOperator || this.policy.showsBefore || group!.isShownTo(senderId, targetSeq!);
      if (!isShown) return refusal("NO_SUCH_MESSAGE");
      if (!this.recordChanges(group!)) return UNKNOWN;
    }
    const asItIs = target === null ? undefined : { ...target, recalled: target.recalled || isRecalled };
    const error = refuseRecall(senderId, asItIs, role, this.policy, this.now);
    return error === undefined ? undefined : refusal(error);
  }
}

function sentPayload(request: SendRequest, message: AcceptedMessage, duplicate: boolean): SentPayload {
  const { clientMsgId, conversationId } = request;
  const { seq, messageId, sentAt } = message;
  const payload = { clientMsgId, conversationId, seq, messageId, sentAt };
  return duplicate ? { ...payload, duplicate } : payload;
}

function refusal(name: ErrorName, message?: string): { error: CarillonError } {
  return { error: new CarillonError(name, message) };
}

/** Where the answer to a request goes. */
export function originOf({ replyTo, boot, connection, requestId }: OriginatedRequest): Origin {
  return { replyTo, boot, connection, requestId };
}

/** Requests of one sender into one conversation keep their order: when one of them waits, those behind it wait, too. */
export function placeOf({ senderId, conversationId }: Pick<SendRequest, "senderId" | "conversationId">): string {
  return `${senderId} ${conversationId}`;
}

/** Digest of what makes a repeated request the same request: its kind and body. 16 characters. */
export function digestOf(contentType: string, content: string): string {
  return hash("sha1", `message ${contentType} ${content}`, "base64").slice(0, 16);
}

/** Digest of a RECALL, whose body is the number that it takes back. */
export function digestOfRecall(targetSeq: number): string {
  return digestOf("recall", String(targetSeq));
}
