import type { MsgHdrs } from "@nats-io/transport-node";
import type { LogHeader } from "../envelopes/log-records";

/** All fields in one NATS header: the client library parses headers one by one. */
const NAME = "Carillon-Log";

export function writeHeader(headers: MsgHdrs, header: LogHeader): void {
  const { ownerEpoch, boot, append, covered, fanout, streamLife } = header;
  headers.set(NAME, `${ownerEpoch} ${boot} ${append} ${covered} ${fanout} ${streamLife}`);
}

type Parts = [ownerEpoch: string, boot: string, append: string, covered: string, fanout: string, streamLife: string];

/** @throws Error when the record was not written by a log writer */
export function readHeader(headers: MsgHdrs | undefined): LogHeader {
  const parts = headers?.get(NAME).split(" ") ?? [];
  if (parts.length !== 6) throw new Error("a record of the log has no valid header");
  const [ownerEpoch, boot, append, covered, fanout, streamLife] = parts as Parts;
  const progress = { covered: Number(covered), fanout: Number(fanout) };
  return { ownerEpoch: Number(ownerEpoch), boot, append: Number(append), ...progress, streamLife };
}
