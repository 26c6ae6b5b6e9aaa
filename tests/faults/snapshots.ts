/** Reads the stores when the cluster is quiet, past the processes of the cluster and past all proxies. */
import { silentLogger } from "@carillon/base/node";
import { type Bus, queueStream, readLog, readLogState } from "@carillon/bus";
import { type ConversationRow, decodeEvent, type Event } from "@carillon/protocol";
import { Inboxes, RedisStore } from "@carillon/store";
import {
  type ArchivedFacts,
  type InboxSnapshot,
  type ListedRow,
  type LoggedRecord,
  type MessageFacts,
  type Place,
  peopleAt,
  type QueueSnapshot,
  type Stay,
  staysOf,
} from "@carillon/testkit";
import { createConnection, type RowDataPacket } from "mysql2/promise";

export interface StoreSnapshots {
  log: LoggedRecord[];
  archive: ArchivedFacts[];
  stays: Stay[];
  fetched: Place[];
  recalled: Place[];
  inboxes: InboxSnapshot[];
  rows: ListedRow[];
  queues: QueueSnapshot[];
}

export interface SnapshotSources {
  bus: Bus;
  redis: { url: string };
  mysql: { url: string };
  partitions: number;
  userIds: string[];
  /** The users whose lists of conversations the machine asks for, and the api that it asks. */
  readers: { userId: string; token: string }[];
  api: string;
}

export async function readStores(sources: SnapshotSources): Promise<StoreSnapshots> {
  const partitions = Array.from({ length: sources.partitions }, (_, partition) => partition);
  const { bus } = sources;
  const archive = await readArchive(sources.mysql.url);
  const records = (await Promise.all(partitions.map((partition) => readRecords(bus, partition)))).flat();
  return {
    log: records.map(({ record }) => record),
    archive,
    stays: staysOf(archive),
    fetched: records.flatMap(({ fetched }) => fetched),
    recalled: archive.flatMap(({ conversationId, targetSeq }) =>
      targetSeq === undefined ? [] : [{ conversationId, seq: targetSeq }],
    ),
    inboxes: await readInboxes(sources),
    rows: (await Promise.all(sources.readers.map((reader) => readList(sources.api, reader)))).flat(),
    queues: await Promise.all(partitions.map((partition) => readQueue(bus, partition))),
  };
}

async function readRecords(bus: Bus, partition: number): Promise<{ record: LoggedRecord; fetched: Place[] }[]> {
  const { firstRecord, lastRecord } = await readLogState(bus, partition);
  const records: { record: LoggedRecord; fetched: Place[] }[] = [];
  await readLog(bus, partition, firstRecord, lastRecord, ({ seq, storedAt, header, body }) => {
    const logged = body.kind === "events" ? body.events : [];
    const events = logged.map(({ event }) => factsOf(decodeEvent(event)));
    const fetched = events.filter((_, index) => logged[index]!.fanOut?.startsWith("read") === true);
    // NATS runs on this machine, so it has the same time.
    const at = storedAt - performance.timeOrigin;
    const { ownerEpoch: epoch, boot, append, covered, fanout } = header;
    const written = { epoch, boot, append, covered, fanout };
    records.push({ record: { partition, seq, at, ...written, kind: body.kind, events }, fetched });
  });
  return records;
}

function factsOf({ conversationId, seq, messageId, senderId, clientMsgId, content = "" }: Event): MessageFacts {
  return { conversationId, seq, messageId, senderId, clientMsgId, content };
}

async function readArchive(url: string): Promise<ArchivedFacts[]> {
  const connection = await createConnection({ uri: url });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(
      `SELECT conversation AS conversationId, seq, CAST(message_id AS CHAR) AS messageId, sender AS senderId,
         client_msg_id AS clientMsgId, kind, target_seq AS target, COALESCE(content, '') AS content FROM messages ORDER BY conversation, seq`,
    );
    return rows.map(({ target, ...row }) => ({
      ...(row as ArchivedFacts),
      seq: Number(row["seq"]),
      ...(target === null ? {} : { targetSeq: Number(target) }),
    }));
  } finally {
    await connection.end();
  }
}

async function readInboxes({ redis, userIds }: SnapshotSources): Promise<InboxSnapshot[]> {
  const store = await RedisStore.connect({ url: redis.url }, silentLogger());
  const inboxes = new Inboxes(store);
  try {
    const found: InboxSnapshot[] = [];
    for (const userId of userIds) {
      const { epoch, seq, events } = await inboxes.read(userId, 0, 10_000);
      const decoded = events.map(([inboxSeq, bytes]) => {
        const { conversationId, seq: number, content } = decodeEvent(bytes);
        return { inboxSeq, conversationId, seq: number, hasContent: content !== undefined };
      });
      found.push({ userId, epoch, head: seq, events: decoded });
    }
    return found;
  } finally {
    await store.close();
  }
}

/** All requests come at once: an api without room names the time for another try. */
async function readList(api: string, { userId, token }: SnapshotSources["readers"][number]): Promise<ListedRow[]> {
  const { status, body } = await peopleAt(() => api).patiently("GET", "/v1/conversations?limit=200", { token });
  if (status !== 200) throw new Error(`no list of conversations for ${userId}: ${status}`);
  const { items } = body as { items: ConversationRow[] };
  return items.map((row) => listedRow(userId, row));
}

type AnyRow = Pick<
  ConversationRow,
  "conversationId" | "lastSeq" | "readSeq" | "unread" | "peerReadSeq" | "peerDeliveredSeq"
>;

/** The compared part of a row in a user's list. */
export function listedRow(userId: string, row: AnyRow): ListedRow {
  const { conversationId, lastSeq, readSeq, unread, peerReadSeq, peerDeliveredSeq } = row;
  return {
    ...{ userId, conversationId, lastSeq, readSeq, unread },
    ...(peerReadSeq === undefined ? {} : { peerReadSeq }),
    ...(peerDeliveredSeq === undefined ? {} : { peerDeliveredSeq }),
  };
}

async function readQueue(bus: Bus, partition: number): Promise<QueueSnapshot> {
  const stream = queueStream(partition);
  const { state } = await bus.jsm.streams.info(stream);
  const consumers = await bus.jsm.consumers.list(stream).next();
  return {
    partition,
    messages: state.messages,
    consumers: consumers.map(({ name, num_pending, num_ack_pending }) => ({
      name,
      pending: num_pending,
      ackPending: num_ack_pending,
    })),
  };
}
