/** What cannot be processed is put aside with the reason: it must neither be lost nor block the rest. */
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
 * What a letter holds: `requests` that no owner could decide, a `delivery` that an inbox did not take, an `event`
 * whose content MySQL did not take, or `receipts` that could not be stored.
 */
export type DeadKind = "requests" | "delivery" | "event" | "receipts";

export interface DeadLetter {
  partition: number;
  /** Absent: requests. */
  kind?: DeadKind;
  /** Requests: a batch in the form of the queue. */
  data: Uint8Array;
  reason: string;
  /** The same letter under the same id is stored once: whoever does not know whether it was stored puts it aside again. */
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
 * Puts aside one request of a batch that is still in the queue; the batch stays where it is.
 * @returns the request, or undefined when the queue does not hold it any more
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
  const { gateway, boot, senderId, clientMsgId } = request;
  const data = encodeRequestBatch({ gateway, boot, requests: [request] });
  await putAside(bus, { partition, data, reason, id: `${seq}-${index}` });
  return { seq, index, senderId, clientMsgId };
}

/** Events that one user's inbox did not take. */
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

/** An event whose content MySQL did not take; the rest of it is in the archive. */
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

/** Puts receipts that were put aside back into their queue, and deletes the letter. @throws Error of NATS: it is still there */
export async function replayReceipts(bus: Bus, { id, partition, data }: StoredLetter): Promise<void> {
  await bus.js.publish(receiptsSubject(partition), data, { msgID: `replay-receipts-${id}` });
  await dropDeadLetter(bus, id);
}

/** The user whose inbox did not take the events of this letter; undefined: it is no letter of that kind. */
export function userOfDelivery({ kind, data }: StoredLetter): string | undefined {
  return kind === "delivery" ? (unpackEnvelope(data)[1] as string) : undefined;
}

/** A dead letter as it lies in the stream. */
export interface StoredLetter {
  /** Sequence in the stream: the name that people use. */
  id: number;
  partition: number;
  kind: DeadKind;
  /** When it was put aside, ms since the Unix epoch by the clock of NATS. */
  storedAt: number;
  reason: string;
  /** Of requests a batch in the form of the queue, or what was taken for one. */
  data: Uint8Array;
  /** Undefined when the letter holds no requests, or bytes that are no batch of this format. */
  requests: OriginatedRequest[] | undefined;
}

/** All letters, the oldest first, one at a time. */
export async function* listDeadLetters(bus: Bus): AsyncGenerator<StoredLetter> {
  const { state } = await bus.jsm.streams.info(DEAD_STREAM);
  // A stream that never held anything says 0 for both.
  for (let id = Math.max(1, state.first_seq); id <= state.last_seq; id++) {
    const letter = await readDeadLetter(bus, id);
    if (letter !== undefined) yield letter;
  }
}

/** @returns undefined when there is no such letter, or no more */
export async function readDeadLetter(bus: Bus, id: number): Promise<StoredLetter | undefined> {
  const message = await bus.jsm.streams.getMessage(DEAD_STREAM, { seq: id });
  return message === null ? undefined : toLetter(message);
}

/**
 * Puts a letter back into the queue of its partition and deletes it. Its requests are marked: the owner, who refuses
 * repeats of what was put aside, tries these again. The new message id is made of the letter's, so a replay that is
 * repeated because its answer was lost puts nothing in twice.
 * @throws Error of NATS: the letter is still there
 */
export async function replayDeadLetter(bus: Bus, { id, partition, data, requests }: StoredLetter): Promise<void> {
  const batch = requests?.[0] === undefined ? data : encodeReplay(requests[0], requests);
  await bus.js.publish(queueSubject(partition), batch, { msgID: `replay-${id}` });
  await dropDeadLetter(bus, id);
}

function encodeReplay({ gateway, boot }: OriginatedRequest, requests: OriginatedRequest[]): Uint8Array {
  return encodeRequestBatch({ gateway, boot, requests, isReplayed: true });
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
    // That it cannot be read may be why it is here.
    return undefined;
  }
}
