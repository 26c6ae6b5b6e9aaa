/** `carillon audit [CONVERSATION]`: whether log, archive, inboxes and queues say the same. Changes nothing. */
import { partitionOf } from "@carillon/base";
import { readLayout } from "@carillon/bus";
import { isConversationId } from "@carillon/protocol";
import type { Command } from "commander";
import pc from "picocolors";
import { auditLog, type Filled } from "../audit/audit-log";
import { auditArchive, auditConversation, auditInboxes, auditQueues, readMarks } from "../audit/audit-stores";
import { judgeMarks } from "../audit/compare";
import { type AuditDocument, Findings } from "../audit/findings";
import { type Cluster, withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import { EXIT, WrongUse } from "../output/failures";
import { print } from "../output/print";

/** Conversations of each partition whose members' inboxes are looked into. */
const SAMPLE = 50;

const ABOUT = `
It may run while messages flow, and it only reads. All conversations: the numbers of each in MySQL, what the logs still
hold against MySQL, the queues, and the inboxes of a sample. One conversation: that one in full, with its marks.`;

export function auditCommand(): Command {
  return clusterCommand("audit", "compare log, archive, inboxes and queues; exit code 1 if something is wrong")
    .argument("[conversation]", "conversation id, such as p:alice:bob; without it: everything")
    .addHelpText("after", ABOUT)
    .action(async (conversationId: string | undefined, { data, json }: CommonOptions) => {
      if (conversationId !== undefined && !isConversationId(conversationId)) {
        throw new WrongUse(`not a conversation id: ${conversationId}`);
      }
      const findings = new Findings((text) => process.stderr.write(`audit: ${text}\n`));
      await withCluster(data, (cluster) =>
        conversationId === undefined ? auditAll(cluster, findings) : auditOne(cluster, findings, conversationId),
      );
      print(findings.document, json, describe);
      if (!findings.document.ok) process.exitCode = EXIT.failed;
    });
}

async function auditAll(cluster: Cluster, findings: Findings): Promise<void> {
  const { partitions } = await readLayout(cluster.bus);
  const numbers = Array.from({ length: partitions }, (_, partition) => partition);
  for (const partition of numbers) {
    findings.progress(`partition ${partition}`);
    findings.checked.partitions++;
    await auditInboxes(cluster, findings, sampleOf((await auditLog(cluster, findings, partition, undefined)).filled));
  }
  await auditQueues(cluster, findings, numbers);
  findings.progress("the archive");
  await auditArchive(cluster, findings);
}

async function auditOne(cluster: Cluster, findings: Findings, conversationId: string): Promise<void> {
  const { partitions } = await readLayout(cluster.bus);
  const partition = partitionOf(conversationId, partitions);
  findings.checked.partitions = 1;
  // Marks first: what moves them comes before them, so they cannot be ahead of what is read afterwards.
  const marks = await readMarks(cluster, conversationId);
  const log = await auditLog(cluster, findings, partition, conversationId);
  const archived = await auditConversation(cluster, findings, conversationId);
  const last = Math.max(archived, log.last.get(conversationId) ?? 0);
  if (last === 0) throw new Error(`there is no message in ${conversationId}`);
  findings.add(judgeMarks(conversationId, last, marks));
  // What is not in the log any more was put into inboxes long ago.
  const isPurged = !log.last.has(conversationId);
  await auditInboxes(cluster, findings, isPurged ? new Map([[conversationId, last]]) : log.filled);
  await auditQueues(cluster, findings, [partition]);
}

/** Some of them, from all over the log. */
function sampleOf(filled: Filled): Filled {
  const step = Math.max(1, filled.size / SAMPLE);
  const all = [...filled];
  return new Map(Array.from({ length: Math.min(SAMPLE, all.length) }, (_, i) => all[Math.floor(i * step)]!));
}

function describe({ findings, more, checked }: AuditDocument): string {
  const lines = findings.map(({ invariant, where, what }) => `${pc.red(invariant)}  ${where}: ${what}\n`);
  if (more > 0) lines.push(`and ${more} more\n`);
  const counts = Object.entries(checked).map(([name, count]) => `${count} ${name}`);
  const verdict = findings.length === 0 ? "nothing is wrong" : `${findings.length + more} findings`;
  return `${lines.join("")}${verdict}; looked at ${counts.join(", ")}\n`;
}
