/** Which NATS server leads which streams and consumers of a cluster. */
import { type Bus, type CopyGroup, LAYOUT_STREAM, messageStreams, readCopyGroups } from "@carillon/bus";
import { COORDINATION_STREAMS } from "@carillon/coordination";

/**
 * Nothing of a NATS of one server.
 * @throws Error when one has no leader that answers
 */
export function readLeaders(bus: Bus, partitions: number): Promise<CopyGroup[]> {
  return readCopyGroups(bus, [LAYOUT_STREAM, ...COORDINATION_STREAMS, ...messageStreams(partitions)], partitions);
}
