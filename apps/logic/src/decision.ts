/**
 * The decision about one round of requests: which are accepted, under which number, and what every sender is
 * told. Pure: the partition's state is read and not changed; it changes when the record is folded, after the log
 * took it. So a refused append leaves no trace, and a round can be decided again.
 */
import { nextSnowflake } from "@carillon/base";
import type { LoggedEvent, Origin, OriginatedRequest, SendRequest } from "@carillon/bus";
import { CarillonError, type ErrorName, encodeEvent, parseConversationId, type SentPayload } from "@carillon/protocol";
import { type Policy, type PrivateFacts, refusePrivate } from "./authorize/authorize";
import { digestOf } from "./body-digest";
import { type AcceptedMessage, DedupeTable } from "./dedupe/dedupe-table";
import { recognise } from "./dedupe/recognise";
import type { FoldedEvent, PartitionState } from "./partition-state";

/** What was looked up for a round. Undefined means everywhere: not known, and MySQL did not answer in time. */
export interface Facts {
  privateFacts(senderId: string, peerId: string): PrivateFacts | undefined;
  /** Highest number in the archive, 0 for a conversation without messages. */
  archivedLastSeq(conversationId: string): number | undefined;
  /** The archived message of that id; null when there is none. */
  archivedMessage(request: SendRequest): AcceptedMessage | null | undefined;
}

/** What one sender is told. */
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
}

/** When MySQL did not answer: how long a client should wait, ms. */
const RETRY_AFTER_MS = 1_000;

export function decideRound(
  state: PartitionState,
  requests: OriginatedRequest[],
  facts: Facts,
  policy: Policy,
  now: number,
): Round {
  const round = new RoundInProgress(state, facts, policy, now);
  const verdicts = requests.map((request) => round.verdictOn(request));
  return { events: round.events, accepted: round.accepted, verdicts };
}

class RoundInProgress {
  readonly events: LoggedEvent[] = [];
  readonly accepted: FoldedEvent[] = [];
  /** What this round adds to the state, before it is in the log. */
  private readonly numbers = new Map<string, number>();
  private readonly ids = new DedupeTable(0);
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
    const outcome = this.decide(request);
    const { senderId, conversationId, clientMsgId } = request;
    const isTentative = this.ids.find(senderId, conversationId, clientMsgId) !== undefined;
    return { origin: originOf(request), outcome, isTentative };
  }

  private decide(request: OriginatedRequest): Verdict["outcome"] {
    const { senderId, conversationId, clientMsgId } = request;
    const digest = digestOf(request.contentType, request.content);
    const table = this.state.dedupe;
    const known =
      this.ids.find(senderId, conversationId, clientMsgId) ?? table.find(senderId, conversationId, clientMsgId);
    const recognition = recognise(request, digest, known, this.facts.archivedMessage(request), table, this.now);
    switch (recognition.kind) {
      case "duplicate":
        return { sent: sentPayload(request, recognition.first, true) };
      case "conflict":
        return refusal("CONFLICT", "this clientMsgId was used for another message");
      case "ahead":
        return refusal("BAD_PAYLOAD", "clientMsgId: is dated ahead of the server's clock");
      case "unknown":
        return busy();
      case "new":
        return this.accept(request, digest);
    }
  }

  private accept(request: OriginatedRequest, digest: string): Verdict["outcome"] {
    const { senderId, conversationId, clientMsgId, contentType, content } = request;
    const refused = this.refuse(senderId, conversationId);
    if (refused !== undefined) return refused;
    const last =
      this.numbers.get(conversationId) ??
      this.state.sequences.last(conversationId) ??
      this.facts.archivedLastSeq(conversationId);
    if (last === undefined) return busy();
    const seq = last + 1;
    const messageId = nextSnowflake(this.snowflake, this.state.partition, this.now);
    const event = encodeEvent({
      conversationId,
      seq,
      senderId,
      kind: "message",
      messageId,
      clientMsgId,
      contentType: contentType as "text",
      sentAt: this.now,
      content,
    });
    this.numbers.set(conversationId, seq);
    const accepted = { senderId, conversationId, clientMsgId, digest, seq, messageId, sentAt: this.now };
    this.ids.add(accepted, 0, 0);
    this.accepted.push(accepted);
    this.events.push({ senderId, clientMsgId, digest, origin: originOf(request), event });
    return { sent: sentPayload(request, accepted, false) };
  }

  private refuse(senderId: string, conversationId: string): Verdict["outcome"] | undefined {
    const parts = parseConversationId(conversationId);
    if (parts?.kind !== "private") return refusal("UNAVAILABLE");
    const peerId = parts.userIds[0] === senderId ? parts.userIds[1] : parts.userIds[0];
    const facts = this.facts.privateFacts(senderId, peerId);
    if (facts === undefined) return busy();
    const error = refusePrivate(facts, peerId === senderId, this.policy, this.now);
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

function busy(): { error: CarillonError } {
  return { error: new CarillonError("BUSY", undefined, { retryAfterMs: RETRY_AFTER_MS }) };
}

/** Where the answer to a request goes. */
export function originOf({ gateway, boot, connection, requestId }: OriginatedRequest): Origin {
  return { gateway, boot, connection, requestId };
}
