/** Requests that cannot be processed are put aside with the reason: they must neither be lost nor block the rest. */
import { headers } from "@nats-io/transport-node";
import type { Bus } from "../connection";
import type { DeadRequest } from "../envelopes/log-records";
import { decodeRequestBatch, encodeRequestBatch } from "../envelopes/requests";
import { deadSubject, queueStream } from "../streams/definitions";

const REASON = "Carillon-Reason";

export interface DeadLetter {
  partition: number;
  /** A batch in the form of the queue. */
  data: Uint8Array;
  reason: string;
  /** The same letter under the same id is stored once: whoever does not know whether it was stored puts it aside again. */
  id: string;
}

/** Resolves when the dead letter is stored. */
export async function putAside(bus: Bus, { partition, data, reason, id }: DeadLetter): Promise<void> {
  const natsHeaders = headers();
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
