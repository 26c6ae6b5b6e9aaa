/**
 * Dead letters: requests and other things that cannot be processed are put aside with the reason, so that they are neither lost
 * nor block others.
 */
import type { StoredMsg } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import type { Bus } from "../connection";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "../envelopes/codec";
import type { DeadRequest } from "../envelopes/log-records";
import { decodeRequestBatch, encodeRequestBatch, type OriginatedRequest } from "../envelopes/requests";
import { DEAD_STREAM, deadSubject, queueStream, queueSubject, receiptsSubject } from "../streams/definitions";

const REASON = "Carillon-Reason";
const KIND = "Carillon-Kind";

/**
 * The content of a letter: `requests` that no owner could decide, a `delivery` that an inbox refused, an `event`
 * whose content MySQL refused, or `receipts` that could not be stored.
 */
export type DeadKind = "requests" | "delivery" | "event" | "receipts";

export interface DeadLetter {
  partition: number;
  /** Absent: the letter contains requests. */
  kind?: DeadKind;
  /** For requests: a batch in the form of the queue. */
  data: Uint8Array;
  reason: string;
  /** A letter with the same id is stored once, so a process that does not know whether it was stored can store it again. */
  id: string;
}

/** Resolves when the dead letter is stored. */
export async function putAside(bus: Bus, letter: DeadLetter): Promise<void> {
  const { partition, kind = "requests", data, reason, id } = letter;
  const natsHeaders = headers();
  natsHeaders.set(KIND, kind);
  natsHeaders.set(REASON, reason.replace(/[\r\n]+/g, " "));
  await bus.js.publish(deadSubject(partition), data, { headers: natsHeaders, msgID: `dead-${partition}-${id}` });
}

/**
 * Puts one request of a batch aside that is still in the queue; the batch stays in the queue.
 * @returns the request, or undefined when the queue no longer has it
 */
export async function putAsideRequest(
  bus: Bus,
  partition: number,
  place: { seq: number; index: number },
  reason: string,
): Promise<DeadRequest | undefined> {
  const { seq, index } = place;
  const batch = await bus.jsm.streams.getMessage(queueStream(partition), { seq });
  const request = batch === null ? undefined : decodeRequestBatch(batch.data)[index];
  if (request === undefined) return undefined;
  const { replyTo, boot, senderId, clientMsgId } = request;
  const data = encodeRequestBatch({ replyTo, boot, requests: [request] });
  await putAside(bus, { partition, data, reason, id: `${seq}-${index}` });
  return { seq, index, senderId, clientMsgId };
}

/** Events that one user's inbox refused. */
export interface DeadDelivery {
  partition: number;
  userId: string;
  events: { position: number; event: Uint8Array }[];
  reason: string;
}

/** Resolves when the letter is stored. */
export async function putDeliveryAside(bus: Bus, { partition, userId, events, reason }: DeadDelivery): Promise<void> {
  const data = pack([ENVELOPE_VERSION, userId, events.map(({ position, event }) => [position, event])]);
  const id = `delivery-${userId}-${events.at(-1)?.position}`;
  await putAside(bus, { partition, kind: "delivery", data, reason, id });
}

/** An event whose content MySQL refused; the archive has the event without it. */
export interface DeadEvent {
  partition: number;
  event: Uint8Array;
  reason: string;
  id: string;
}

/** Resolves when the letter is stored. */
export async function putEventAside(bus: Bus, { partition, event, reason, id }: DeadEvent): Promise<void> {
  await putAside(bus, { partition, kind: "event", data: event, reason, id: `event-${id}` });
}

/**
 * Puts the receipts of a letter back into their queue, and deletes the letter.
 * @throws Error of NATS; then the letter still exists
 */
export async function replayReceipts(bus: Bus, { id, partition, data }: StoredLetter): Promise<void> {
  await bus.js.publish(receiptsSubject(partition), data, { msgID: `replay-receipts-${id}` });
  await dropDeadLetter(bus, id);
}

/** Returns the user whose inbox refused the events of this letter; undefined for another kind of letter. */
export function userOfDelivery({ kind, data }: StoredLetter): string | undefined {
  return kind === "delivery" ? (unpackEnvelope(data)[1] as string) : undefined;
}

/** A dead letter in the stream. */
export interface StoredLetter {
  /** Sequence in the stream: the name that people use. */
  id: number;
  partition: number;
  kind: DeadKind;
  /** Time at which it was put aside, ms since the Unix epoch by the clock of NATS. */
  storedAt: number;
  reason: string;
  /** For requests: a batch in the form of the queue, or unreadable bytes. */
  data: Uint8Array;
  /** Undefined when the letter contains no requests, or bytes that are no batch of this format. */
  requests: OriginatedRequest[] | undefined;
}

/** All letters, the oldest first, one at a time. */
export async function* listDeadLetters(bus: Bus): AsyncGenerator<StoredLetter> {
  const { state } = await bus.jsm.streams.info(DEAD_STREAM);
  // A stream that never had a message reports 0 for both.
  for (let id = Math.max(1, state.first_seq); id <= state.last_seq; id++) {
    const letter = await readDeadLetter(bus, id);
    if (letter !== undefined) yield letter;
  }
}

/** @returns undefined when the letter does not exist, or does not exist any more */
export async function readDeadLetter(bus: Bus, id: number): Promise<StoredLetter | undefined> {
  const message = await bus.jsm.streams.getMessage(DEAD_STREAM, { seq: id });
  return message === null ? undefined : toLetter(message);
}

/**
 * Puts a letter back into the queue of its partition and deletes the letter. It marks the requests: the owner refuses repeats of
 * requests that were put aside, but tries marked requests again. The new message id is derived from the letter's, so that a
 * replay that is repeated because its answer was lost adds nothing twice.
 * @throws Error of NATS; then the letter still exists
 */
export async function replayDeadLetter(bus: Bus, { id, partition, data, requests }: StoredLetter): Promise<void> {
  const batch = requests?.[0] === undefined ? data : encodeReplay(requests[0], requests);
  await bus.js.publish(queueSubject(partition), batch, { msgID: `replay-${id}` });
  await dropDeadLetter(bus, id);
}

function encodeReplay({ replyTo, boot }: OriginatedRequest, requests: OriginatedRequest[]): Uint8Array {
  return encodeRequestBatch({ replyTo, boot, requests, isReplayed: true });
}

/** @returns false when there was no such letter */
export async function dropDeadLetter(bus: Bus, id: number): Promise<boolean> {
  if ((await readDeadLetter(bus, id)) === undefined) return false;
  return bus.jsm.streams.deleteMessage(DEAD_STREAM, id);
}

function toLetter({ seq, subject, time, header, data }: StoredMsg): StoredLetter {
  const partition = Number(subject.slice(deadSubject(0).length - 1));
  const reason = header.get(REASON) || "no reason was given";
  const kind = (header.get(KIND) || "requests") as DeadKind;
  const requests = kind === "requests" ? requestsIn(data) : undefined;
  return { id: seq, partition, kind, storedAt: time.getTime(), reason, data, requests };
}

function requestsIn(data: Uint8Array): OriginatedRequest[] | undefined {
  try {
    return decodeRequestBatch(data);
  } catch {
    // Unreadable bytes may be the reason for the letter.
    return undefined;
  }
}
