/**
 * Presence from gateway to gateway: each gateway tells which devices of a user it has whenever that changes, and NATS passes it
 * to the gateways that listen to that user. A message may be lost; a listening gateway asks again when a loss is possible.
 */
import type { Bus } from "../connection";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "../envelopes/codec";
import type { AtGateway } from "../rpc/contracts";
import { presenceSubject } from "../streams/definitions";
import { hear } from "../subscription";

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
  return hear(bus, presenceSubject(userId), ({ data }) => {
    const [, gateway, boot, platforms, since] = unpackEnvelope(data) as [number, string, string, string[], number];
    onNews({ gateway, boot, platforms, since });
  });
}

/** Platforms of all devices of a user at all gateways; sorted, each once. */
export function platformsOf(places: Iterable<Pick<AtGateway, "platforms">>): string[] {
  return [...new Set([...places].flatMap(({ platforms }) => platforms))].sort();
}
