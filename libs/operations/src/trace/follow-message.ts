/** Follows a message through log, inboxes, devices, marks and archive. */
import { ROLES } from "@carillon/base";
import { positionOf } from "@carillon/bus";
import { peekEvent } from "@carillon/protocol";
import { Inboxes, inspectCursors, inspectInbox, Marks, type MemberMarks, type RedisStore } from "@carillon/store";
import type { ClusterParts } from "../cluster-parts";
import { inboxOwners, isWithin } from "../inbox-owners";
import { readSessions } from "../nodes";
import type { FoundMessage } from "./find-message";

export interface TracedDevice {
  deviceId: string;
  /** The gateway of the device; null: the device is not connected. */
  gateway: string | null;
  live: boolean;
  /** Number of the inbox up to which the device has acknowledged; null: never, or in another epoch. */
  cursor: number | null;
  /** Whether that acknowledgement covers this message; null when the message is not in the inbox. */
  acknowledged: boolean | null;
}

export interface TracedMember {
  userId: string;
  epoch: string | null;
  /** Number of the message in the user's inbox; null: not there yet, or not any more. */
  inboxSeq: number | null;
  devices: TracedDevice[];
  delivered: boolean;
  read: boolean;
}

export interface TraceDocument {
  conversationId: string;
  seq: number;
  messageId: string;
  senderId: string;
  clientMsgId: string;
  /** Server time, ms since the Unix epoch. */
  acceptedAt: number;
  partition: number;
  /** null: the record is purged. `owner`: the worker that wrote it, if it is still in the cluster. */
  logged: { record: number; index: number; storedAt: number; epoch: number; owner: string | null } | null;
  /** Whether inboxes are filled beyond the message; null when it is not in the log, or Redis does not know. */
  fannedOut: boolean | null;
  /** Users whose inboxes contain the message, or should; for a large group nobody. */
  members: TracedMember[];
  archived: { row: boolean; passed: boolean | null };
}

/** Number of members that are checked at the same time: each check reads an inbox. */
const MEMBERS_AT_ONCE = 20;

/** @throws Error when Redis or MySQL does not answer */
export async function followMessage(cluster: ClusterParts, found: FoundMessage): Promise<TraceDocument> {
  const { event, partition, logged } = found;
  const { conversationId, seq, messageId, senderId, clientMsgId, sentAt } = event;
  const redis = await cluster.redis();
  const position = logged && positionOf(logged.record.seq, logged.index);
  const fanout = await new Inboxes(redis).fanoutPosition(partition);
  const archive = (await (await cluster.mysql()).facts.archivePositions()).get(partition)?.position ?? -1;
  const owners = (await inboxOwners(cluster, conversationId)).filter(({ spans }) => isWithin(seq, spans));
  const stored = await (await cluster.mysql()).audit.marks(conversationId);
  const members: TracedMember[] = [];
  for (let at = 0; at < owners.length; at += MEMBERS_AT_ONCE) {
    const part = owners.slice(at, at + MEMBERS_AT_ONCE);
    members.push(...(await Promise.all(part.map(({ userId }) => followTo(cluster, redis, userId, event, stored)))));
  }
  return {
    ...{ conversationId, seq, messageId, senderId, clientMsgId, partition },
    acceptedAt: sentAt,
    logged: logged === undefined ? null : describePlace(cluster, logged),
    fannedOut: position === undefined || fanout === undefined ? null : fanout >= position,
    members,
    archived: { row: found.archived !== undefined, passed: position === undefined ? null : archive >= position },
  };
}

function describePlace({ coordination }: ClusterParts, { record, index }: NonNullable<FoundMessage["logged"]>) {
  const { seq, storedAt, header } = record;
  const owner = coordination.view.nodes(ROLES.worker).find(({ boot }) => boot === header.boot)?.nodeId ?? null;
  return { record: seq, index, storedAt, epoch: header.ownerEpoch, owner };
}

async function followTo(
  cluster: ClusterParts,
  redis: RedisStore,
  userId: string,
  { conversationId, seq }: { conversationId: string; seq: number },
  stored: readonly MemberMarks[],
): Promise<TracedMember> {
  const [inbox, cursors, sessions, [[mark] = []]] = await Promise.all([
    inspectInbox(redis, userId),
    inspectCursors(redis, userId),
    readSessions(cluster, userId),
    new Marks(redis).of([{ conversationId, userIds: [userId] }]),
  ]);
  const entry = inbox?.events.find(([, bytes]) => {
    const head = peekEvent(bytes);
    return head.conversationId === conversationId && head.seq === seq;
  });
  const inboxSeq = entry?.[0] ?? null;
  const deviceIds = new Set([...cursors.keys(), ...sessions.map(({ deviceId }) => deviceId)]);
  const devices = [...deviceIds].sort().map((deviceId) => {
    const session = sessions.find((one) => one.deviceId === deviceId);
    const at = cursors.get(deviceId);
    const cursor = at !== undefined && at.epoch === inbox?.epoch ? at.seq : null;
    const acknowledged = inboxSeq === null ? null : cursor !== null && cursor >= inboxSeq;
    return { deviceId, gateway: session?.gateway ?? null, live: session?.live ?? false, cursor, acknowledged };
  });
  const kept = stored.find((one) => one.userId === userId);
  const read = Math.max(mark?.read ?? 0, kept?.read ?? 0);
  const delivered = Math.max(mark?.delivered ?? 0, kept?.delivered ?? 0, read);
  return { userId, epoch: inbox?.epoch ?? null, inboxSeq, devices, delivered: delivered >= seq, read: read >= seq };
}
