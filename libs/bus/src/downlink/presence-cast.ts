/**
 * Where users have devices, from gateway to gateway: each tells what it has of a user whenever that changes, and NATS
 * knows who wants to hear of him. It may be lost; who listens asks again when that may be.
 */
import type { Bus } from "../connection";
import { ENVELOPE_VERSION, pack, unpackEnvelope } from "../envelopes/codec";
import type { AtGateway } from "../rpc/contracts";
import { presenceSubject } from "../streams/definitions";
import { hear } from "../subscription";

/** What a gateway tells of one user; no platforms: he has no device there any more. */
export interface PresenceNews extends AtGateway {
  /** ms on the cluster's clock. */
  since: number;
}

export function castPresence(bus: Bus, userId: string, { gateway, boot, platforms, since }: PresenceNews): void {
  if (bus.connection.isClosed()) return;
  bus.connection.publish(presenceSubject(userId), pack([ENVELOPE_VERSION, gateway, boot, platforms, since]));
}

/** @returns ends it */
export function listenToPresence(bus: Bus, userId: string, onNews: (news: PresenceNews) => void): () => void {
  return hear(bus, presenceSubject(userId), ({ data }) => {
    const [, gateway, boot, platforms, since] = unpackEnvelope(data) as [number, string, string, string[], number];
    onNews({ gateway, boot, platforms, since });
  });
}

/** Platforms of all devices of a user, wherever they are; in order, each once. */
export function platformsOf(places: Iterable<Pick<AtGateway, "platforms">>): string[] {
  return [...new Set([...places].flatMap(({ platforms }) => platforms))].sort();
}
