/**
 * Publishes events of a large group from the owner of its conversation to the gateways of its members: one message for all
 * gateways, which NATS distributes. A message may be lost; numbers and ticks show that.
 */
import type { Bus } from "../connection";
import type { AtGateway } from "../contracts/presence";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "../envelopes/codec";
import { groupSubject, presenceSubject } from "../streams/definitions";
import { subscribe } from "../subscription";
import { cut } from "./downlink-sender";

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
  const stop = subscribe(bus, groupSubject(groupId), ({ data }) => onEvents(unpackEnvelope(data)[1] as Uint8Array[]));
  await bus.connection.flush();
  return stop;
}

/**
 * Presence from gateway to gateway: each gateway tells which devices of a user it has whenever that changes, and NATS passes it
 * to the gateways that listen to that user. A message may be lost; a listening gateway asks again when a loss is possible.
 */

/** The devices of one user at a gateway; without platforms the user has no device there any more. */
export interface PresenceNews extends AtGateway {
  /** ms on the cluster's clock. */
  since: number;
}

export function castPresence(bus: Bus, userId: string, { gateway, boot, platforms, since }: PresenceNews): void {
  if (bus.connection.isClosed()) return;
  bus.connection.publish(presenceSubject(userId), pack([ENVELOPE_VERSION, gateway, boot, platforms, since]));
}

/** @returns an unsubscribe function */
export function listenToPresence(bus: Bus, userId: string, onNews: (news: PresenceNews) => void): () => void {
  return subscribe(bus, presenceSubject(userId), ({ data }) => {
    const [, gateway, boot, platforms, since] = unpackEnvelope(data) as [number, string, string, string[], number];
    onNews({ gateway, boot, platforms, since });
  });
}

/** Platforms of all devices of a user at all gateways; sorted, each once. */
export function platformsOf(places: Iterable<Pick<AtGateway, "platforms">>): string[] {
  return [...new Set([...places].flatMap(({ platforms }) => platforms))].sort();
}
