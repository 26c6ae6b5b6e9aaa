/**
 * Publishes events of a large group from the owner of its conversation to the gateways of its members: one message for all
 * gateways, which NATS distributes. A message may be lost; numbers and ticks show that.
 */
import type { Bus } from "../connection";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "../envelopes/codec";
import { groupSubject } from "../streams/definitions";
import { hear } from "../subscription";
import { cut } from "./cut";

/** @param events in the order of the conversation, without a gap */
export function castToGroup(bus: Bus, groupId: string, events: Uint8Array[]): void {
  if (bus.connection.isClosed()) return;
  for (const part of cut(events, ({ length }) => length + 8)) {
    bus.connection.publish(groupSubject(groupId), pack([ENVELOPE_VERSION, part]));
  }
}

/**
 * Listens to the events of a large group.
 * @returns when the server knows the subscription: no later event is missed, unless a connection breaks
 */
export async function listenToGroup(
  bus: Bus,
  groupId: string,
  onEvents: (events: Uint8Array[]) => void,
): Promise<() => void> {
  const stop = hear(bus, groupSubject(groupId), ({ data }) => onEvents(unpackEnvelope(data)[1] as Uint8Array[]));
  await bus.connection.flush();
  return stop;
}
