/** Audits the archive by itself, the inboxes against the fan-out, and the queues against their consumers. */
import { setTimeout as sleep } from "node:timers/promises";
import { getOrSet } from "@carillon/base";
import { queueStream, RECEIPTS_STREAM, readQueueReport } from "@carillon/bus";
import { peekEvent } from "@carillon/protocol";
import { type ConversationNumbers, inspectInbox, Marks, type MemberMarks, type MysqlStore } from "@carillon/store";
import type { ClusterParts } from "../cluster-parts";
import { type InboxOwner, inboxOwners, isWithin } from "../inbox-owners";
import type { Filled } from "./audit-log";
import { findHoles, judgeConversationInInbox, judgeCounts, judgeInbox, judgeQueue } from "./compare";
import type { Findings } from "./findings";

/** Number of conversations that one statement counts: a statement has 10 s, and some conversations have many messages. */
const PAGE = 50;
const SEQS_PAGE = 5_000;
const MOST_HOLES = 20;

/** Number of looks at a queue in motion before it counts as wrong, and the pause between them, ms. */
const QUEUE_LOOKS = 8;
const QUEUE_PAUSE_MS = 500;

/** Audits every conversation of the archive, in pages. */
export async function auditArchive(cluster: ClusterParts, findings: Findings): Promise<void> {
  const mysql = await cluster.mysql();
  for (let after = ""; ; ) {
    const page = await mysql.audit.numbers(after, PAGE);
    for (const numbers of page) await judgeNumbers(mysql, findings, numbers);
    if (page.length < PAGE) return;
    after = page.at(-1)!.conversationId;
    const { conversations, rows } = findings.checked;
    findings.progress(`${conversations} conversations, ${rows} rows`);
  }
}

/** Reads the marks of a conversation's users from Redis and MySQL. */
export async function readMarks(cluster: ClusterParts, conversationId: string): Promise<MemberMarks[]> {
  const marks = await (await cluster.mysql()).audit.marks(conversationId);
  const userIds = (await inboxOwners(cluster, conversationId)).map(({ userId }) => userId);
  const [inRedis = []] = await new Marks(await cluster.redis()).of([{ conversationId, userIds }]);
  for (const [place, mark] of inRedis.entries()) if (mark) marks.push({ userId: userIds[place]!, ...mark });
  return marks;
}

/** Audits one conversation of the archive. @returns its last number; 0 when nothing is archived */
export async function auditConversation(
  cluster: ClusterParts,
  findings: Findings,
  conversationId: string,
): Promise<number> {
  const mysql = await cluster.mysql();
  const numbers = await mysql.audit.numbersIn(conversationId);
  if (numbers !== undefined) await judgeNumbers(mysql, findings, numbers);
  return numbers?.last ?? 0;
}

async function judgeNumbers(mysql: MysqlStore, findings: Findings, numbers: ConversationNumbers): Promise<void> {
  findings.checked.conversations++;
  findings.checked.rows += numbers.count;
  const faults = judgeCounts(numbers);
  findings.add(faults);
  const { conversationId: where, count, last } = numbers;
  if (count === last) return;
  const holes: string[] = [];
  for (let after = 0; holes.length < MOST_HOLES; ) {
    const seqs = await mysql.audit.seqs(where, after, SEQS_PAGE);
    holes.push(...findHoles(seqs, after));
    if (seqs.length < SEQS_PAGE) break;
    after = seqs.at(-1)!;
  }
  const what = `numbers without a row: ${holes.slice(0, MOST_HOLES).join(", ")}`;
  findings.add([{ invariant: "I4 numbers", where, what }]);
}

interface OwnedConversation {
  conversationId: string;
  spans: InboxOwner["spans"];
}

/** Audits the inboxes that contain these conversations. @param most maximum number of inboxes checked for one conversation */
export async function auditInboxes(
  cluster: ClusterParts,
  findings: Findings,
  filled: Filled,
  most = Number.POSITIVE_INFINITY,
): Promise<void> {
  const redis = await cluster.redis();
  const conversationsOf = new Map<string, OwnedConversation[]>();
  for (const conversationId of filled.keys()) {
    for (const { userId, spans } of (await inboxOwners(cluster, conversationId)).slice(0, most)) {
      getOrSet(conversationsOf, userId, (): OwnedConversation[] => []).push({ conversationId, spans });
    }
  }
  for (const [userId, conversations] of conversationsOf) {
    const inbox = await inspectInbox(redis, userId);
    // The inbox is from another life of Redis: it begins again at its next use.
    if (inbox === undefined || !inbox.isCurrent) continue;
    findings.checked.inboxes++;
    const entries = inbox.events.map(([inboxSeq, event]) => ({ inboxSeq, ...peekEvent(event) }));
    findings.add(judgeInbox(userId, inbox.seq, entries));
    for (const { conversationId, spans } of conversations) {
      const { last, written } = filled.get(conversationId)!;
      const expected = written.filter((seq) => isWithin(seq, spans));
      findings.add(judgeConversationInInbox(userId, conversationId, { last, expected }, entries));
    }
  }
}

/** Audits the queues of the partitions and the queue of the receipts. */
export async function auditQueues(
  cluster: ClusterParts,
  findings: Findings,
  partitions: readonly number[],
): Promise<void> {
  const streams = [...partitions.map(queueStream), RECEIPTS_STREAM];
  await Promise.all(streams.map((stream) => auditQueue(cluster, findings, stream)));
}

async function auditQueue({ bus }: ClusterParts, findings: Findings, stream: string): Promise<void> {
  findings.checked.queues++;
  for (let look = 1; ; look++) {
    const { messages, consumers } = await readQueueReport(bus, stream);
    const faults = judgeQueue(stream, messages, consumers);
    if (faults.length === 0) return;
    if (look === QUEUE_LOOKS) return findings.add(faults);
    await sleep(QUEUE_PAUSE_MS);
  }
}
