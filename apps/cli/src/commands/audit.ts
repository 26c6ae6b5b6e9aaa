/** `carillon audit [CONVERSATION]`: compares log, archive, inboxes and queues. Changes nothing. */
import { type AuditDocument, auditAll, auditOne, Findings } from "@carillon/operations";
import { isConversationId } from "@carillon/protocol";
import type { Command } from "commander";
import { withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import { EXIT, WrongUse } from "../output/failures";
import { colours as pc, print, visible } from "../output/print";

const ABOUT = `
The audit only reads, and may run while messages flow. Without CONVERSATION it checks the numbers of all conversations in
MySQL, compares the logs with MySQL, and checks the queues and the inboxes of a sample of conversations. With CONVERSATION it
checks that conversation completely, with its marks.`;

export function auditCommand(): Command {
  return clusterCommand("audit", "compare log, archive, inboxes and queues; exit code 1 if something is wrong")
    .argument("[conversation]", "conversation id, such as p:alice:bob; default: all conversations")
    .addHelpText("after", ABOUT)
    .action(async (conversationId: string | undefined, { data, json }: CommonOptions) => {
      if (conversationId !== undefined && !isConversationId(conversationId)) {
        throw new WrongUse(`not a conversation id: ${conversationId}`);
      }
      const findings = new Findings((text) => process.stderr.write(`audit: ${visible(text)}\n`));
      await withCluster(data, async (cluster) => {
        if (conversationId === undefined) return auditAll(cluster, findings);
        const isThere = await auditOne(cluster, findings, conversationId);
        if (!isThere) throw new Error(`there is no message in ${conversationId}`);
      });
      print(findings.document, json, describe);
      if (!findings.document.ok) process.exitCode = EXIT.failed;
    });
}

function describe({ findings, more, checked }: AuditDocument): string {
  const lines = findings.map(({ invariant, where, what }) => `${pc.red(invariant)}  ${where}: ${what}\n`);
  if (more > 0) lines.push(`and ${more} more\n`);
  const counts = Object.entries(checked).map(([name, count]) => `${count} ${name}`);
  const verdict = findings.length === 0 ? "no errors found" : `${findings.length + more} findings`;
  return `${lines.join("")}${verdict}; checked ${counts.join(", ")}\n`;
}
