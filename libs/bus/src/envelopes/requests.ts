/** The batches of requests that a gateway puts in the queue of a partition. */
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "./codec";

/** Where a request came from: answers go back there, and only to the same boot of the gateway. */
export interface Origin {
  gateway: string;
  boot: string;
  /** Number of the connection inside that boot. */
  connection: number;
  requestId: number;
}

/** A SEND that the gateway checked for shape: the sender is who he says, all values are inside their limits. */
export interface SendRequest {
  connection: number;
  requestId: number;
  senderId: string;
  clientMsgId: string;
  conversationId: string;
  contentType: string;
  content: string;
}

/** A request with the gateway that it came from. */
export interface OriginatedRequest extends SendRequest {
  gateway: string;
  boot: string;
  /** An operator has put it back into the queue, at this sequence: what it did at another place is pardoned. */
  replayedAt?: number;
}

export interface RequestBatch {
  gateway: string;
  boot: string;
  requests: SendRequest[];
  /** A dead letter that is tried again. */
  isReplayed?: boolean;
}

const KIND_SEND = 1;

export function encodeRequestBatch(batch: RequestBatch): Uint8Array {
  const { gateway, boot, requests, isReplayed = false } = batch;
  const fields = [ENVELOPE_VERSION, gateway, boot, requests.map(toRow)];
  return pack(isReplayed ? [...fields, isReplayed] : fields);
}

function toRow(request: SendRequest): unknown[] {
  return [
    KIND_SEND,
    request.connection,
    request.requestId,
    request.senderId,
    request.clientMsgId,
    request.conversationId,
    request.contentType,
    request.content,
  ];
}

/** @param seq place of the batch in its queue */
export function decodeRequestBatch(bytes: Uint8Array, seq = 0): OriginatedRequest[] {
  const [, gateway, boot, rows, isReplayed] = unpackEnvelope(bytes) as [number, string, string, unknown[][], boolean?];
  const requests = rows.map((row) => fromRow(row, gateway, boot));
  return isReplayed === true ? requests.map((request) => ({ ...request, replayedAt: seq })) : requests;
}

function fromRow(row: unknown[], gateway: string, boot: string): OriginatedRequest {
  if (row[0] !== KIND_SEND) throw new Error(`unknown kind of request: ${row[0]}`);
  return {
    gateway,
    boot,
    connection: row[1] as number,
    requestId: row[2] as number,
    senderId: row[3] as string,
    clientMsgId: row[4] as string,
    conversationId: row[5] as string,
    contentType: row[6] as string,
    content: row[7] as string,
  };
}

/** Bytes that a request adds to its batch, roughly. */
export function sizeOfRequest(request: SendRequest): number {
  return 160 + request.content.length * 3;
}
