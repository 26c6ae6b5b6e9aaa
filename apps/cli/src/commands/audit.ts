/** `carillon audit [CONVERSATION]`: whether log, archive, inboxes and queues say the same. Changes nothing. */
import { type AuditDocument, auditAll, auditOne, Findings } from "@carillon/operations";
import { isConversationId } from "@carillon/protocol";
import type { Command } from "commander";
import { withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import { colours as pc } from "../output/colours";
import { EXIT, WrongUse } from "../output/failures";
import { print } from "../output/print";
import { visible } from "../output/visible";

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
  const verdict = findings.length === 0 ? "nothing is wrong" : `${findings.length + more} findings`;
  return `${lines.join("")}${verdict}; looked at ${counts.join(", ")}\n`;
}
