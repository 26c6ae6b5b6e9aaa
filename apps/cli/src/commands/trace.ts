/** `carillon trace MESSAGE`: shows step by step where a message is. */

import {
  findMessage,
  followMessage,
  parseMessageName,
  type TraceDocument,
  type TracedDevice,
  type TracedMember,
} from "@carillon/operations";
import type { Command } from "commander";
import { withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../command";
import { print } from "../output/print";

const ABOUT = `
For a clientMsgId, the command searches the messages that were archived in the week after the id was made, and the messages in
the logs that are not archived yet. Conversation and number find every message.`;

export function traceCommand(): Command {
  return clusterCommand("trace", "show where a message is: log, inboxes, devices, marks, archive")
    .argument("<message>", "messageId, clientMsgId, or CONVERSATION#SEQ")
    .addHelpText("after", ABOUT)
    .action(async (text: string, { data, json }: CommonOptions) => {
      const name = parseMessageName(text);
      const document = await withCluster(data, async (cluster) => {
        const found = await findMessage(cluster, name);
        if (found === undefined) throw new Error(`neither the archive nor a log has ${text}: it was not accepted`);
        return followMessage(cluster, found);
      });
      print(document, json, describe);
    });
}

function describe(document: TraceDocument): string {
  const { conversationId, seq, messageId, senderId, clientMsgId, acceptedAt, partition, logged, archived } = document;
  const fannedOut = { true: "filled", false: "not yet", null: "not known: the message is not in the log" };
  const passed = { true: "the archive is past it", false: "the archive is not there yet", null: "" }[
    `${archived.passed}`
  ];
  return [
    `${conversationId}#${seq}, messageId ${messageId}, by ${senderId}, clientMsgId ${clientMsgId}`,
    `accepted   ${new Date(acceptedAt).toISOString()}`,
    logged === null
      ? `logged     in partition ${partition}, its record is purged`
      : `logged     partition ${partition}, record ${logged.record}.${logged.index}, epoch ${logged.epoch}, ` +
        `by ${logged.owner ?? "a worker that is gone"}, ${new Date(logged.storedAt).toISOString()}`,
    `inboxes    ${fannedOut[`${document.fannedOut}`]}`,
    ...document.members.flatMap((member) => describeMember(member, senderId)),
    `archived   ${archived.row ? "its row exists" : "no row"}${passed === "" ? "" : `; ${passed}`}`,
    "",
  ].join("\n");
}

function describeMember({ userId, inboxSeq, devices, delivered, read }: TracedMember, senderId: string): string[] {
  const place = inboxSeq === null ? "not in the inbox (not yet, trimmed, or Redis lost its data)" : `inbox ${inboxSeq}`;
  const marks = userId === senderId ? "wrote it" : read ? "read" : delivered ? "delivered" : "not delivered";
  return [`${userId}: ${place}, ${marks}`, ...devices.map(describeDevice)].map((line) => `           ${line}`);
}

function describeDevice({ deviceId, gateway, live, cursor, acknowledged }: TracedDevice): string {
  const where = gateway === null ? "offline" : `${gateway}${live ? "" : " (left behind)"}`;
  const done =
    acknowledged === true ? ", has acknowledged it" : acknowledged === false ? ", has not acknowledged it" : "";
  return `  ${deviceId}: ${where}, acknowledged up to ${cursor ?? "nothing"}${done}`;
}
