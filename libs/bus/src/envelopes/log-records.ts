/**
 * The records of a partition's log, which is the truth: whatever else is stored can be rebuilt from it. A record
 * holds the outcome of whole queue batches. Its header says who wrote it and how far the owner had come.
 */
import { ByteWriter } from "@carillon/protocol";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "./codec";
import type { Origin } from "./requests";

/** How far the writer had come when it wrote the record. */
export interface LogHeader {
  epoch: number;
  boot: string;
  /** Number of this append inside (epoch, boot), from 1: tells the writer's own record from another's. */
  append: number;
  /** Every queue message up to this sequence is in the log or was answered. */
  covered: number;
  /** Inboxes are filled up to this log position. */
  fanout: number;
  /** Which life of queue and log the record belongs to: another one means that a stream was made again. */
  life: string;
}

/**
 * How an event of a group reaches its members: `write` into their inboxes; `read` they are told that there is more, and
 * fetch it. An event by which the group crosses the limit says so, and goes the new way already.
 */
export type FanOutMode = "write" | "read" | "write-from-here" | "read-from-here";

/** One accepted message: the event as clients will see it, and what a later owner needs to go on. */
export interface LoggedEvent {
  senderId: string;
  clientMsgId: string;
  /** Digest of kind and body: tells a repeated request from another one under the same id. */
  digest: string;
  origin: Origin;
  /** The event in its wire form (encodeEvent of libs/protocol). */
  event: Uint8Array;
  /** Of an event that tells of a change of its group: the version that the change made. */
  version?: number;
  /** Of an event of a group; absent: `write`. */
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
  /** `attempt`: how many epochs in a row began at the same `covered`, this one included. `dead`: the newest first. */
  | { kind: "epoch"; worker: string; boot: string; attempt: number; dead: DeadRequest[] }
  /** The owner is about to process this request, and only this one: if the worker dies now, it is the cause. */
  | { kind: "trying"; seq: number; index: number }
  | { kind: "release"; worker: string };

export interface LogRecord {
  /** Sequence in the log stream. */
  seq: number;
  /** When NATS stored it, ms since the Unix epoch. */
  storedAt: number;
  header: LogHeader;
  body: LogBody;
}

const writer = new ByteWriter();

const MODES: readonly FanOutMode[] = ["write", "read", "write-from-here", "read-from-here"];

const KINDS = ["events", "epoch", "trying", "release"] as const;

/** Positions order events over records: record sequence and index inside it, in one number. */
const POSITION_BASE = 65_536;

export function positionOf(recordSeq: number, index: number): number {
  return recordSeq * POSITION_BASE + index;
}

export function recordSeqOf(position: number): number {
  return Math.floor(position / POSITION_BASE);
}

/** The position after which everything of the record and before is passed. */
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

/** Written by hand, as all that is there once for each message. */
function encodeEvents(events: LoggedEvent[]): Uint8Array {
  // Requests of one batch share their gateway: its name stands once per record.
  const gateways: string[] = [];
  const indexes = events.map(({ origin }) => {
    const name = `${origin.gateway} ${origin.boot}`;
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
    const [gateway, boot] = names[index]!;
    const origin = { gateway, boot, connection, requestId };
    const fanOut = mode === undefined ? undefined : MODES[mode]!;
    return { senderId, clientMsgId, digest, origin, event, version: version ?? undefined, fanOut };
  });
}
