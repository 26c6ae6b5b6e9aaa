/** Looks who leads in the NATS cluster, and has one stream or consumer at a time handed over where one leads too much. */
import { type Bus, type CopyGroup, handOverLead } from "@carillon/bus";
import { readLeaders } from "@carillon/operations";
import { LeaderSpread } from "./leader-spread";

/** Between two looks, and so between two hand-overs: each of them makes its writers wait for a moment. */
export const SPREAD_EVERY_MS = 5_000;

export interface SpreadContext {
  bus: Bus;
  partitions: number;
  /** How long all servers must have been well, ms. */
  calmMs: number;
}

/** @returns one look, to be repeated every SPREAD_EVERY_MS; throws when one that leads does not answer */
export function leaderSpreader({ bus, partitions, calmMs }: SpreadContext): () => Promise<void> {
  const spread = new LeaderSpread({ calmMs, mostApartMs: 3 * SPREAD_EVERY_MS });
  return async () => {
    const groups = await readLeaders(bus, partitions).catch((error: unknown): CopyGroup[] => {
      spread.disturb();
      throw error;
    });
    const due = spread.look(groups, bus.clock.monotonic());
    if (due === undefined) return;
    const { group, from, to } = due;
    bus.logger.info({ stream: group.stream, consumer: group.consumer, from, to }, "a NATS leader hands over");
    await handOverLead(bus, group, to);
  };
}
