/** The comparisons of the audit. They are pure: the caller passes the data in, and each returns its findings. */
import type { ArchivedMessage, ConversationNumbers } from "@carillon/store";

/** The invariants of the design that an audit can check from outside. */
type Invariant = "I2 once" | "I4 numbers" | "I6 inbox" | "I7 queue" | "position" | "marks";

export interface Finding {
  invariant: Invariant;
  /** A conversation, an inbox, or a stream. */
  where: string;
  what: string;
}

/**
 * Checks the numbers of a conversation. The primary key makes each number unique, so 1..n means: n rows, from 1 to n. Retention
 * removes a beginning.
 */
export function judgeCounts({
  conversationId: where,
  count,
  first,
  last,
  messages,
  ids,
  lastSeq,
  purgedSeq,
}: ConversationNumbers): Finding[] {
  const findings: Finding[] = [];
  if (first !== purgedSeq + 1 || count !== last - purgedSeq) {
    findings.push({ invariant: "I4 numbers", where, what: `${count} rows with numbers from ${first} to ${last}` });
  }
  if (lastSeq !== last) {
    const said = lastSeq === null ? "has no row of its own" : `says that ${lastSeq} is its last`;
    findings.push({ invariant: "I4 numbers", where, what: `the conversation ${said}, the archive ends at ${last}` });
  }
  if (messages !== ids) {
    const what = `${messages} messages have ${ids} different ids of their senders`;
    findings.push({ invariant: "I2 once", where, what });
  }
  return findings;
}

/** Returns the missing numbers between the given ones, as `3` or `3-5`. @param seqs ascending */
export function findHoles(seqs: readonly number[], after = 0): string[] {
  const holes: string[] = [];
  let last = after;
  for (const seq of seqs) {
    if (seq === last + 2) holes.push(`${last + 1}`);
    else if (seq > last + 2) holes.push(`${last + 1}-${seq - 1}`);
    last = Math.max(last, seq);
  }
  return holes;
}

/** Checks a message before the archive's position: the archive must contain it unchanged. */
export function judgeArchived(logged: ArchivedMessage, archived: ArchivedMessage | undefined): Finding[] {
  const where = `${logged.conversationId}#${logged.seq}`;
  if (archived === undefined) {
    return [{ invariant: "I4 numbers", where, what: "is in the log, the archive is past it, and has no row of it" }];
  }
  const keys = ["messageId", "senderId", "clientMsgId", "contentType", "content", "sentAt"] as const;
  // Only the log still has the content of a recalled message, until the record is purged.
  const same = (key: (typeof keys)[number]) =>
    logged[key] === archived[key] || (key === "content" && archived.content === null);
  const different = keys.filter((key) => !same(key));
  if (different.length === 0) return [];
  return [{ invariant: "I4 numbers", where, what: `log and archive differ in ${different.join(", ")}` }];
}

/** Checks the numbers of each conversation in the order of the log: each must follow the one before. */
export class LogNumbers {
  private readonly lasts = new Map<string, number>();

  /** The last number of each conversation in the log so far. */
  get last(): ReadonlyMap<string, number> {
    return this.lasts;
  }

  next(conversationId: string, seq: number): Finding[] {
    const last = this.lasts.get(conversationId);
    this.lasts.set(conversationId, Math.max(seq, last ?? 0));
    if (last === undefined || seq === last + 1) return [];
    return [{ invariant: "I4 numbers", where: conversationId, what: `in the log, ${seq} follows ${last}` }];
  }
}

/** Checks that the log continues where the archive ends. @param firstSeq first number in the log that is not archived yet */
export function judgeJoint(conversationId: string, firstSeq: number, archivedLast: number): Finding[] {
  if (archivedLast >= firstSeq - 1) return [];
  const what = `the archive ends at ${archivedLast}, the log goes on with ${firstSeq}`;
  return [{ invariant: "I4 numbers", where: conversationId, what }];
}

export interface InboxEntry {
  inboxSeq: number;
  conversationId: string;
  seq: number;
}

/** Checks that an inbox has its newest events without a hole, up to its head. @param entries ascending */
export function judgeInbox(userId: string, head: number, entries: readonly InboxEntry[]): Finding[] {
  const where = `inbox of ${userId}`;
  const numbers = entries.map(({ inboxSeq }) => inboxSeq);
  const findings = findHoles(numbers, (numbers[0] ?? 1) - 1).map(
    (hole): Finding => ({ invariant: "I6 inbox", where, what: `${hole} is missing` }),
  );
  const last = numbers.at(-1);
  if (last !== undefined && last < head) {
    findings.push({ invariant: "I6 inbox", where, what: `it ends at ${last}, its head is at ${head}` });
  }
  return findings;
}

/** The events of a conversation that one inbox must contain. */
export interface ExpectedInInbox {
  /** The last number that was put into inboxes. */
  last: number;
  /**
   * For a group: the numbers that were put into this inbox. It has holes where the user was no member, or the group was large.
   */
  expected: readonly number[];
}

/**
 * Checks a conversation inside an inbox: its events must be in order, without a hole, and reach the last number that was put
 * into inboxes; for a group, they must contain the numbers that are known to have been put there. Numbers before the inbox's
 * first event of the conversation are not judged, nor is an inbox without such an event: it may have begun later, or have been
 * trimmed.
 */
export function judgeConversationInInbox(
  userId: string,
  conversationId: string,
  { last: filledTo, expected }: ExpectedInInbox,
  entries: readonly InboxEntry[],
): Finding[] {
  const where = `inbox of ${userId}, ${conversationId}`;
  const seqs = entries.filter((entry) => entry.conversationId === conversationId).map(({ seq }) => seq);
  const [first] = seqs;
  if (first === undefined) return [];
  const finding = (what: string): Finding => ({ invariant: "I6 inbox", where, what });
  const isGroup = conversationId.startsWith("g:");
  const there = new Set(seqs);
  const missing = isGroup
    ? expected.filter((seq) => seq > first && !there.has(seq)).map(String)
    : findHoles(seqs, first - 1);
  const findings = missing.map((hole) => finding(`message ${hole} is missing`));
  for (const [place, seq] of seqs.entries()) {
    const before = seqs[place - 1];
    if (before !== undefined && seq <= before) findings.push(finding(`message ${seq} stands behind ${before}`));
  }
  const last = Math.max(...seqs);
  if (!isGroup && last < filledTo)
    findings.push(finding(`it ends at message ${last}, inboxes are filled up to ${filledTo}`));
  return findings;
}

/** Checks a queue: each message either waits for its consumer, or was handed out and is not acknowledged. */
export function judgeQueue(
  stream: string,
  messages: number,
  consumers: readonly { name: string; pending: number; ackPending: number }[],
): Finding[] {
  const accounted = consumers.reduce((sum, { pending, ackPending }) => sum + pending + ackPending, 0);
  if (messages === accounted && (messages === 0 || consumers.length === 1)) return [];
  const of = consumers.length === 0 ? "no consumer" : consumers.map(({ name }) => name).join(", ");
  return [{ invariant: "I7 queue", where: stream, what: `${messages} messages, ${accounted} accounted for by ${of}` }];
}

/** Checks that no mark lies beyond the last number. */
export function judgeMarks(
  conversationId: string,
  last: number,
  marks: readonly { userId: string; read: number; delivered: number }[],
): Finding[] {
  return marks
    .filter(({ read, delivered }) => Math.max(read, delivered) > last)
    .map(({ userId, read, delivered }) => ({
      invariant: "marks",
      where: conversationId,
      what: `${userId} has delivered ${delivered}, read ${read}; the last message is ${last}`,
    }));
}
