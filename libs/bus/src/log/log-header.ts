import type { MsgHdrs } from "@nats-io/transport-node";
import type { LogHeader } from "../envelopes/log-records";
import { logSubject } from "../streams/definitions";

/** All fields in one NATS header: the client library parses headers one by one. */
const NAME = "Carillon-Log";

export function writeHeader(headers: MsgHdrs, header: LogHeader): void {
  const { ownerEpoch, boot, append, covered, fanout, streamLife } = header;
  headers.set(NAME, `${ownerEpoch} ${boot} ${append} ${covered} ${fanout} ${streamLife}`);
}

type Parts = [ownerEpoch: string, boot: string, append: string, covered: string, fanout: string, streamLife: string];

/** What a record of the log has besides its body. */
interface Stored {
  subject: string;
  headers: MsgHdrs | undefined;
}

/**
 * @throws Error when the record was not written by a log writer: it has no header, or was published to another subject and only
 *   delivered here, by a consumer (docs/decisions/0040)
 */
export function readHeader(partition: number, { subject, headers }: Stored): LogHeader {
  if (subject !== logSubject(partition)) {
    throw new Error(`a record of the log of partition ${partition} was published to ${subject}`);
  }
  const parts = headers?.get(NAME).split(" ") ?? [];
  if (parts.length !== 6) throw new Error("a record of the log has no valid header");
  const [ownerEpoch, boot, append, covered, fanout, streamLife] = parts as Parts;
  const progress = { covered: Number(covered), fanout: Number(fanout) };
  return { ownerEpoch: Number(ownerEpoch), boot, append: Number(append), ...progress, streamLife };
}
