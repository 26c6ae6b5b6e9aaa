/** The NATS servers that lead the streams and consumers of a cluster. */
import { type Bus, type CopyGroup, LAYOUT_STREAM, messageStreams, readCopyGroups } from "@carillon/bus";
import { COORDINATION_STREAMS } from "@carillon/coordination";

/**
 * Returns streams and consumers with several copies; with a single NATS server there are none.
 * @throws Error when the leader of one of them does not answer
 */
export function readLeaders(bus: Bus, partitions: number): Promise<CopyGroup[]> {
  return readCopyGroups(bus, [LAYOUT_STREAM, ...COORDINATION_STREAMS, ...messageStreams(partitions)], partitions);
}
