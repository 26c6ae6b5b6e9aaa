/** Audits the whole cluster, or one conversation. The audit may run while messages flow, and only reads. */
import { partitionOf } from "@carillon/base";
import { readLayout } from "@carillon/bus";
import type { ClusterParts } from "../cluster-parts";
import { auditLog, type Filled } from "./audit-log";
import { auditArchive, auditConversation, auditInboxes, auditQueues, readMarks } from "./audit-stores";
import { judgeMarks } from "./compare";
import type { Findings } from "./findings";

/** Number of conversations of each partition whose inboxes are checked. */
const SAMPLE = 50;
/** Number of members of one group whose inboxes are checked. */
const MEMBERS_OF_SAMPLE = 20;

/** Audits all partitions, with a sample of the inboxes, the queues, and the whole archive. It may take minutes. */
export async function auditAll(cluster: ClusterParts, findings: Findings): Promise<void> {
  const { partitions } = await readLayout(cluster.bus);
  const numbers = Array.from({ length: partitions }, (_, partition) => partition);
  for (const partition of numbers) {
    findings.progress(`partition ${partition}`);
    findings.checked.partitions++;
    const { filled } = await auditLog(cluster, findings, partition, undefined);
    await auditInboxes(cluster, findings, sampleOf(filled), MEMBERS_OF_SAMPLE);
  }
  await auditQueues(cluster, findings, numbers);
  findings.progress("the archive");
  await auditArchive(cluster, findings);
}

/**
 * Audits one conversation completely, with its marks and its queue.
 * @returns false when the conversation has no message
 */
export async function auditOne(cluster: ClusterParts, findings: Findings, conversationId: string): Promise<boolean> {
  const { partitions } = await readLayout(cluster.bus);
  const partition = partitionOf(conversationId, partitions);
  findings.checked.partitions = 1;
  // Marks first: a message exists before a mark on it, so marks cannot be ahead of anything that is read afterwards.
  const marks = await readMarks(cluster, conversationId);
  const log = await auditLog(cluster, findings, partition, conversationId);
  const archived = await auditConversation(cluster, findings, conversationId);
  const last = Math.max(archived, log.last.get(conversationId) ?? 0);
  if (last === 0) return false;
  findings.add(judgeMarks(conversationId, last, marks));
  // Events that left the log were put into inboxes long ago.
  const isPurged = !log.last.has(conversationId);
  await auditInboxes(cluster, findings, isPurged ? new Map([[conversationId, { last, written: [] }]]) : log.filled);
  await auditQueues(cluster, findings, [partition]);
  return true;
}

/** Selects a sample of conversations, spread over the whole log. */
function sampleOf(filled: Filled): Filled {
  const step = Math.max(1, filled.size / SAMPLE);
  const all = [...filled];
  return new Map(Array.from({ length: Math.min(SAMPLE, all.length) }, (_, i) => all[Math.floor(i * step)]!));
}
