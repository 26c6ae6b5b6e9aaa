/** Requests that cannot be processed are put aside with the reason: they must neither be lost nor block the rest. */
import { headers } from "@nats-io/transport-node";
import type { Bus } from "../connection";
import { deadSubject } from "../streams/definitions";

const REASON = "Carillon-Reason";

/** Resolves when the dead letter is stored. */
export async function putAside(bus: Bus, partition: number, data: Uint8Array, reason: string): Promise<void> {
  const natsHeaders = headers();
  natsHeaders.set(REASON, reason.replace(/[\r\n]+/g, " "));
  await bus.js.publish(deadSubject(partition), data, { headers: natsHeaders });
}
