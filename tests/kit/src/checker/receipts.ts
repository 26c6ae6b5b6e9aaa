/**
 * I11: read messages stay read, and all devices count alike. When the cluster is quiet, a mark is where an answered READ has put
 * it, never where nobody has read. Both sides of a private conversation have the same marks. Everything is delivered, because
 * every device has everything. The unread count is the number of messages left to read. Nobody outside a conversation learns its
 * marks.
 */
import { getOrSet } from "@carillon/base";
import type { ArchivedFacts, DeviceHistory, DeviceView, Evidence, ListedRow, ToldMark } from "../history/evidence";
import { Membership } from "../history/membership";
import { groupBy, place, type Violation, violation } from "./violation";

export function checkReceipts(evidence: Evidence): Violation[] {
  const { rows, views, devices, archive, recalled } = evidence;
  const membership = new Membership(evidence);
  const byConversation = groupBy(archive, ({ conversationId }) => conversationId);
  const gone = new Set(recalled.map(place));
  const listed = new Map(rows.map((row) => [keyOf(row), row]));
  const reads = readsOf(devices);
  return [
    ...rows.flatMap((row) => {
      const events = byConversation.get(row.conversationId) ?? [];
      const own = events.filter((event) => membership.has(row.userId, event));
      return [...checkRead(row, reads.get(keyOf(row))), ...checkUnread(row, own, gone)];
    }),
    ...rows.flatMap((row) => checkPeer(row, listed, byConversation.get(row.conversationId) ?? [])),
    ...views.flatMap((view) => checkView(view, listed)),
    ...devices.flatMap((device) => device.marks.flatMap((mark) => checkTold(device, mark, listed, membership))),
  ];
}

interface Reads {
  /** Highest number whose READ was answered, and highest number whose READ was sent. */
  answered: number;
  sent: number;
}

const keyOf = ({ userId, conversationId }: { userId: string; conversationId: string }) => `${userId} ${conversationId}`;

function readsOf(devices: DeviceHistory[]): Map<string, Reads> {
  const found = new Map<string, Reads>();
  for (const { userId, reads } of devices) {
    for (const { conversationId, seq, answeredAt } of reads) {
      const known = getOrSet(found, keyOf({ userId, conversationId }), () => ({ answered: 0, sent: 0 }));
      known.sent = Math.max(known.sent, seq);
      if (answeredAt !== undefined) known.answered = Math.max(known.answered, seq);
    }
  }
  return found;
}

function checkRead(row: ListedRow, reads: Reads = { answered: 0, sent: 0 }): Violation[] {
  const { userId, conversationId, readSeq } = row;
  if (reads.answered <= readSeq && readSeq <= reads.sent) return [];
  const what = `${userId} has read ${conversationId} up to ${reads.answered} by the answers they got`;
  return [violation("I11", `${what}, asked for ${reads.sent}, and their list says ${readSeq}`)];
}

function checkUnread(row: ListedRow, events: ArchivedFacts[], gone: Set<string>): Violation[] {
  const { userId, conversationId, readSeq, unread } = row;
  const left = events.filter(
    (event) => event.kind === "message" && event.seq > readSeq && event.senderId !== userId && !gone.has(place(event)),
  ).length;
  return left === unread
    ? []
    : [
        violation(
          "I11",
          `${conversationId} has ${left} messages that ${userId} has not read, their list says ${unread}`,
        ),
      ];
}

/** @param listed rows of all users */
function checkPeer(row: ListedRow, listed: Map<string, ListedRow>, events: ArchivedFacts[]): Violation[] {
  const { userId, conversationId, peerReadSeq, peerDeliveredSeq } = row;
  const peerId = conversationId
    .split(":")
    .slice(1)
    .find((id) => id !== userId);
  if (peerReadSeq === undefined || peerId === undefined) return [];
  const found: Violation[] = [];
  const peer = listed.get(keyOf({ userId: peerId, conversationId }));
  if (peer !== undefined && peer.readSeq !== peerReadSeq) {
    const what = `${peerId} has read ${conversationId} up to ${peer.readSeq}`;
    found.push(violation("I11", `${what}, ${userId} is told ${peerReadSeq}`));
  }
  const last = events.findLast(({ senderId }) => senderId !== peerId)?.seq ?? 0;
  if (peerDeliveredSeq !== Math.max(last, peerReadSeq)) {
    const what = `${peerId} has ${conversationId} up to ${last}`;
    found.push(violation("I11", `${what}, ${userId} is told ${peerDeliveredSeq}`));
  }
  return found;
}

function checkView({ device, rows }: DeviceView, listed: Map<string, ListedRow>): Violation[] {
  return rows.flatMap((row) => {
    const truth = listed.get(keyOf(row));
    if (truth === undefined || lineOf(row) === lineOf(truth)) return [];
    return [
      violation("I11", `${device} shows ${row.conversationId} with ${lineOf(row)}, the list says ${lineOf(truth)}`),
    ];
  });
}

function lineOf({ lastSeq, readSeq, unread, peerReadSeq, peerDeliveredSeq }: ListedRow): string {
  const peer = peerReadSeq === undefined ? "" : `, peer read ${peerReadSeq} has ${peerDeliveredSeq}`;
  return `last ${lastSeq} read ${readSeq} unread ${unread}${peer}`;
}

function checkTold(
  { name, userId }: DeviceHistory,
  mark: ToldMark,
  listed: Map<string, ListedRow>,
  membership: Membership,
): Violation[] {
  const { kind, conversationId, seq } = mark;
  if (!membership.has(userId, { conversationId, seq }))
    return [violation("I9", `${name} was told who has ${kind} ${place({ conversationId, seq })}`)];
  const row = listed.get(keyOf({ userId: mark.userId, conversationId }));
  if (kind === "read" && row !== undefined && seq > row.readSeq) {
    return [
      violation(
        "I11",
        `${name} was told that ${mark.userId} has read ${place(mark)}, but they have read ${row.readSeq}`,
      ),
    ];
  }
  return [];
}
