/** Finds a message by any of its names: in the archive by its indexes, otherwise in the logs. */
import { parseSnowflake, partitionOf } from "@carillon/base";
import { findRecordSince, type LogRecord, readLayout, readLog, readLogState, recordSeqOf } from "@carillon/bus";
import { decodeEvent, type Event, isConversationId, uuidv7Time } from "@carillon/protocol";
import type { ArchivedMessage } from "@carillon/store";
import type { ClusterParts } from "../cluster-parts";
import { WrongUse } from "../cluster-parts";

/** Maximum time from the creation of an id to the acceptance of its message, and maximum lead of a client's clock, ms. */
const LATE_MS = 7 * 24 * 3600 * 1_000;
const AHEAD_MS = 60_000;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export type MessageName =
  | { kind: "message"; messageId: string }
  | { kind: "client"; clientMsgId: string }
  | { kind: "place"; conversationId: string; seq: number };

export interface FoundMessage {
  event: Omit<Event, "content" | "kind" | "contentType" | "targetSeq">;
  partition: number;
  /** Its place in the log; undefined: the record is purged, or never existed. */
  logged: { record: LogRecord; index: number } | undefined;
  archived: ArchivedMessage | undefined;
}

/** @throws WrongUse for a text that names no message */
export function parseMessageName(text: string): MessageName {
  const [, conversationId, seq] = /^(.+)#(\d{1,15})$/.exec(text) ?? [];
  if (conversationId !== undefined && isConversationId(conversationId)) {
    return { kind: "place", conversationId, seq: Number(seq) };
  }
  if (/^\d{10,20}$/.test(text)) return { kind: "message", messageId: text };
  if (UUID.test(text)) return { kind: "client", clientMsgId: text };
  throw new WrongUse(`neither a messageId nor a clientMsgId nor CONVERSATION#SEQ: ${text}`);
}

/** @returns undefined when neither the archive nor a log has the message */
export async function findMessage(cluster: ClusterParts, name: MessageName): Promise<FoundMessage | undefined> {
  const { partitions } = await readLayout(cluster.bus);
  const archived = await inArchive(cluster, name);
  const candidates = candidatePartitions(name, archived, partitions);
  for (const partition of candidates) {
    const logged = await inLog(cluster, partition, name, archived);
    if (logged !== undefined) return { event: logged.event, partition, logged, archived };
  }
  return archived === undefined
    ? undefined
    : { event: archived, partition: candidates[0]!, logged: undefined, archived };
}

async function inArchive(cluster: ClusterParts, name: MessageName): Promise<ArchivedMessage | undefined> {
  const { audit } = await cluster.mysql();
  if (name.kind === "message") return audit.byMessageId(name.messageId);
  if (name.kind === "place") return (await audit.at([name]))[0];
  const made = uuidv7Time(name.clientMsgId);
  const found = await audit.byClientMsgId(name.clientMsgId, made - AHEAD_MS, made + LATE_MS);
  if (found.length > 1) {
    const places = found.map(({ conversationId, seq }) => `${conversationId}#${seq}`);
    throw new WrongUse(`several messages have this clientMsgId; name one of them: ${places.join(", ")}`);
  }
  return found[0];
}

function candidatePartitions(name: MessageName, archived: ArchivedMessage | undefined, partitions: number): number[] {
  if (archived !== undefined) return [partitionOf(archived.conversationId, partitions)];
  if (name.kind === "place") return [partitionOf(name.conversationId, partitions)];
  if (name.kind === "client") return Array.from({ length: partitions }, (_, partition) => partition);
  const { partition } = parseSnowflake(name.messageId);
  return partition < partitions ? [partition] : [];
}

async function inLog(
  cluster: ClusterParts,
  partition: number,
  name: MessageName,
  archived: ArchivedMessage | undefined,
): Promise<{ record: LogRecord; index: number; event: Event } | undefined> {
  const { bus } = cluster;
  const state = await readLogState(bus, partition);
  const from =
    archived === undefined
      ? recordSeqOf(await archivePosition(cluster, partition))
      : await findRecordSince(bus, partition, archived.sentAt - AHEAD_MS, state);
  let found: { record: LogRecord; index: number; event: Event } | undefined;
  await readLog(bus, partition, Math.max(from, state.firstRecord), state.lastRecord, (record) => {
    if (found !== undefined || record.body.kind !== "events") return;
    for (const [index, { event: bytes }] of record.body.events.entries()) {
      const event = decodeEvent(bytes);
      if (fits(event, name, archived)) found = { record, index, event };
    }
  });
  return found;
}

function fits(event: Event, name: MessageName, archived: ArchivedMessage | undefined): boolean {
  if (archived !== undefined) return event.messageId === archived.messageId;
  if (name.kind === "message") return event.messageId === name.messageId;
  if (name.kind === "client") return event.clientMsgId === name.clientMsgId;
  return event.conversationId === name.conversationId && event.seq === name.seq;
}

async function archivePosition(cluster: ClusterParts, partition: number): Promise<number> {
  return (await (await cluster.mysql()).facts.archivePositions()).get(partition)?.position ?? -1;
}
