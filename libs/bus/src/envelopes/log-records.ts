/**
 * The records of a partition's log, which is the source of truth: all other stored data can be rebuilt from it. A record
 * contains the outcome of whole queue batches. Its header says who wrote it and how far the owner had come.
 */
import { ByteWriter } from "@carillon/protocol";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "./codec";
import type { Origin } from "./requests";

/** The writer and its progress when it wrote the record. */
export interface LogHeader {
  /** The epoch of the partition's owner that wrote the record. */
  ownerEpoch: number;
  boot: string;
  /** Number of this append inside (ownerEpoch, boot), from 1: it distinguishes the writer's own record from others. */
  append: number;
  /** Every queue message up to this sequence is in the log or was answered. */
  covered: number;
  /** Inboxes are filled up to this log position. */
  fanout: number;
  /** The life of queue and log to which the record belongs: another value means that a stream was created again. */
  streamLife: string;
}

/**
 * How an event of a group reaches its members. With `write` it goes into their inboxes; with `read` they get a notice and fetch
 * it. An event by which the group crosses the limit says so, and already uses the new mode.
 */
export type FanOutMode = "write" | "read" | "write-from-here" | "read-from-here";

/** One accepted message: the event for clients, and the data with which a later owner continues. */
export interface LoggedEvent {
  senderId: string;
  clientMsgId: string;
  /** Digest of kind and body: it distinguishes a repeated request from another request under the same id. */
  digest: string;
  origin: Origin;
  /** The event in its wire form (encodeEvent of libs/protocol). */
  event: Uint8Array;
  /** For an event about a change of its group: the version after the change. */
  version?: number;
  /** For an event of a group; absent: `write`. */
  fanOut?: FanOutMode;
}

/** A request that killed its workers and was put aside. */
export interface DeadRequest {
  /** Place in the queue: sequence of the batch, index of the request in it. */
  seq: number;
  index: number;
  senderId: string;
  clientMsgId: string;
}

export type LogBody =
  | { kind: "events"; events: LoggedEvent[] }
  /** `attempt`: number of epochs in a row that began at the same `covered`, including this one. `dead`: the newest first. */
  | { kind: "epoch"; worker: string; boot: string; attempt: number; dead: DeadRequest[] }
  /** The owner is about to process this request alone: if the worker dies now, the request is the cause. */
  | { kind: "trying"; seq: number; index: number }
  | { kind: "release"; worker: string };

export interface LogRecord {
  /** Sequence in the log stream. */
  seq: number;
  /** Time at which NATS stored the record, ms since the Unix epoch. */
  storedAt: number;
  header: LogHeader;
  body: LogBody;
}

const writer = new ByteWriter();

const MODES: readonly FanOutMode[] = ["write", "read", "write-from-here", "read-from-here"];

const KINDS = ["events", "epoch", "trying", "release"] as const;

/** A log position is one number made of the sequence of the record and the index inside it, so that positions order events. */
const POSITION_BASE = 65_536;

export function positionOf(recordSeq: number, index: number): number {
  return recordSeq * POSITION_BASE + index;
}

export function recordSeqOf(position: number): number {
  return Math.floor(position / POSITION_BASE);
}

/** The position that is after the whole record and all records before it. */
export function endOfRecord(recordSeq: number): number {
  return positionOf(recordSeq, POSITION_BASE - 1);
}

export function encodeLogBody(body: LogBody): Uint8Array {
  const head = [ENVELOPE_VERSION, KINDS.indexOf(body.kind) + 1];
  if (body.kind === "epoch") {
    const dead = body.dead.map(({ seq, index, senderId, clientMsgId }) => [seq, index, senderId, clientMsgId]);
    return pack([...head, body.worker, body.boot, body.attempt, dead]);
  }
  if (body.kind === "trying") return pack([...head, body.seq, body.index]);
  if (body.kind === "release") return pack([...head, body.worker]);
  return encodeEvents(body.events);
}

/** A hand-written codec, as for everything that exists once for each message. */
function encodeEvents(events: LoggedEvent[]): Uint8Array {
  // Requests of one batch share their gateway, so its name stands once per record.
  const gateways: string[] = [];
  const indexes = events.map(({ origin }) => {
    const name = `${origin.replyTo} ${origin.boot}`;
    const index = gateways.indexOf(name);
    return index < 0 ? gateways.push(name) - 1 : index;
  });
  writer.begin();
  writer.listHeader(4);
  writer.unsigned(ENVELOPE_VERSION);
  writer.unsigned(KINDS.indexOf("events") + 1);
  writer.listHeader(gateways.length);
  for (const name of gateways) writer.text(name);
  writer.listHeader(events.length);
  for (const [i, event] of events.entries()) writeEvent(event, indexes[i]!);
  return writer.finish();
}

function writeEvent(logged: LoggedEvent, gateway: number): void {
  const { senderId, clientMsgId, digest, origin, event, version, fanOut = "write" } = logged;
  const hasMode = fanOut !== "write";
  writer.listHeader(7 + (hasMode ? 2 : version === undefined ? 0 : 1));
  writer.text(senderId);
  writer.text(clientMsgId);
  writer.text(digest);
  writer.unsigned(gateway);
  writer.unsigned(origin.connection);
  writer.unsigned(origin.requestId);
  writer.binary(event);
  if (version !== undefined) writer.unsigned(version);
  else if (hasMode) writer.nil();
  if (hasMode) writer.unsigned(MODES.indexOf(fanOut));
}

type EventRow = [string, string, string, number, number, number, Uint8Array, (number | null)?, number?];

export function decodeLogBody(bytes: Uint8Array): LogBody {
  const [, kind, ...rest] = unpackEnvelope(bytes) as [number, number, ...unknown[]];
  switch (KINDS[kind - 1]) {
    case "events":
      return { kind: "events", events: decodeEvents(rest[0] as string[], rest[1] as EventRow[]) };
    case "epoch": {
      const [worker, boot, attempt, rows] = rest as [string, string, number, [number, number, string, string][]];
      const dead = rows.map(([seq, index, senderId, clientMsgId]) => ({ seq, index, senderId, clientMsgId }));
      return { kind: "epoch", worker, boot, attempt, dead };
    }
    case "trying":
      return { kind: "trying", seq: rest[0] as number, index: rest[1] as number };
    case "release":
      return { kind: "release", worker: rest[0] as string };
    default:
      throw new Error(`unknown kind of log record: ${kind}`);
  }
}

function decodeEvents(gateways: string[], rows: EventRow[]): LoggedEvent[] {
  const names = gateways.map((name) => name.split(" ") as [string, string]);
  return rows.map(([senderId, clientMsgId, digest, index, connection, requestId, event, version, mode]) => {
    const [replyTo, boot] = names[index]!;
    const origin = { replyTo, boot, connection, requestId };
    const fanOut = mode === undefined ? undefined : MODES[mode]!;
    return { senderId, clientMsgId, digest, origin, event, version: version ?? undefined, fanOut };
  });
}
