/** The batches of requests that a gateway puts into the queue of a partition. */
import { ByteWriter } from "@carillon/protocol";
import { ENVELOPE_VERSION, unpackEnvelope } from "./codec";

/** The origin of a request: answers go back there, and only to the same boot. */
export interface Origin {
  /** The gateway of the connection, or the link of an api (`apiLink`). */
  replyTo: string;
  boot: string;
  /** Number of the connection inside that boot. */
  connection: number;
  requestId: number;
}

/** A SEND or RECALL that the gateway has checked: the sender is authenticated, and all values are inside their limits. */
export interface SendRequest {
  connection: number;
  requestId: number;
  senderId: string;
  clientMsgId: string;
  conversationId: string;
  contentType: string;
  /** Empty in a RECALL. */
  content: string;
  /** Number of the message to recall; absent in a SEND. */
  targetSeq?: number;
  /** A RECALL by an operator in the place of the message's sender: no rights are checked. */
  byOperator?: boolean;
}

/** A request with the place of its answer. */
export interface OriginatedRequest extends SendRequest {
  replyTo: string;
  boot: string;
  /** An operator has put the request back into the queue, at this sequence: deaths at another place no longer count. */
  replayedAt?: number;
}

export interface RequestBatch {
  replyTo: string;
  boot: string;
  requests: SendRequest[];
  /** Whether the batch is a dead letter that an operator replays. */
  isReplayed?: boolean;
}

const KIND_SEND = 1;
const KIND_RECALL = 2;

const writer = new ByteWriter();

export function encodeRequestBatch({ replyTo, boot, requests, isReplayed = false }: RequestBatch): Uint8Array {
  writer.begin();
  writer.listHeader(isReplayed ? 5 : 4);
  writer.unsigned(ENVELOPE_VERSION);
  writer.text(replyTo);
  writer.text(boot);
  writer.listHeader(requests.length);
  for (const request of requests) writeRequest(request);
  if (isReplayed) writer.true();
  return writer.finish();
}

function writeRequest(request: SendRequest): void {
  const { connection, requestId, senderId, clientMsgId, conversationId, contentType, content, targetSeq } = request;
  const isSend = targetSeq === undefined;
  const byOperator = request.byOperator === true;
  writer.listHeader(isSend || byOperator ? 8 : 7);
  writer.unsigned(isSend ? KIND_SEND : KIND_RECALL);
  writer.unsigned(connection);
  writer.unsigned(requestId);
  writer.text(senderId);
  writer.text(clientMsgId);
  writer.text(conversationId);
  if (isSend) {
    writer.text(contentType);
    writer.text(content);
  } else {
    writer.unsigned(targetSeq);
    if (byOperator) writer.true();
  }
}

/** @param seq place of the batch in its queue */
export function decodeRequestBatch(bytes: Uint8Array, seq = 0): OriginatedRequest[] {
  const [, replyTo, boot, rows, isReplayed] = unpackEnvelope(bytes) as [number, string, string, unknown[][], boolean?];
  const replayedAt = isReplayed === true ? seq : undefined;
  return rows.map((row) => fromRow(row, replyTo, boot, replayedAt));
}

/** All requests have the same keys, also without a value, because objects of one shape are cheaper. */
function fromRow(row: unknown[], replyTo: string, boot: string, replayedAt: number | undefined): OriginatedRequest {
  const kind = row[0];
  if (kind !== KIND_SEND && kind !== KIND_RECALL) throw new Error(`unknown kind of request: ${kind}`);
  const isSend = kind === KIND_SEND;
  return {
    replyTo,
    boot,
    connection: row[1] as number,
    requestId: row[2] as number,
    senderId: row[3] as string,
    clientMsgId: row[4] as string,
    conversationId: row[5] as string,
    contentType: isSend ? (row[6] as string) : "system",
    content: isSend ? (row[7] as string) : "",
    targetSeq: isSend ? undefined : (row[6] as number),
    byOperator: !isSend && row[7] === true ? true : undefined,
    replayedAt,
  };
}

/** Approximate number of bytes that a request adds to its batch. */
export function sizeOfRequest(request: SendRequest): number {
  return 160 + request.content.length * 3;
}
