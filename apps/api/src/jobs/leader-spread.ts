/**
 * Decides when a server of a NATS cluster leads too much, and what it hands over to which server. Pure: the caller passes each
 * look and its time.
 *
 * A server that comes back leads nothing, and is busy: it reads its store, fetches what it missed from the others, and drops out
 * again if that fails. So nothing is handed over until all servers have been well for a while and no leader has moved by itself.
 */
import { type Bus, type CopyGroup, countLed, crowdedServers, handOverLead, kindsOf } from "@carillon/bus";
import { readLeaders } from "@carillon/operations";

export interface HandOver {
  group: CopyGroup;
  from: string;
  to: string;
}

export interface SpreadTimes {
  /** Time for which all servers must have been well, ms. */
  calmMs: number;
  /** Looks that are further apart may have missed a server that was away, ms. */
  mostApartMs: number;
}

export class LeaderSpread {
  private leaders = new Map<string, string>();
  private handedOver: string | undefined;
  private calmSince: number | undefined;
  private lookedAt = Number.NEGATIVE_INFINITY;
  private isSpreading = false;

  constructor(private readonly times: SpreadTimes) {}

  /**
   * @param now monotonic, ms
   * @returns the one hand-over that is due; the next one comes with the next look
   */
  look(groups: readonly CopyGroup[], now: number): HandOver | undefined {
    const { calmMs, mostApartMs } = this.times;
    const isCalm = now - this.lookedAt <= mostApartMs && groups.every((group) => this.isAsItWas(group));
    this.leaders = new Map(groups.map((group) => [nameOf(group), group.leader ?? ""]));
    this.handedOver = undefined;
    this.lookedAt = now;
    if (!isCalm) this.disturb();
    this.calmSince ??= now;
    if (now - this.calmSince < calmMs) return undefined;
    const found = this.handOverDue(groups);
    if (found !== undefined) this.handedOver = nameOf(found.group);
    return found;
  }

  /** Notes that a leader did not answer. */
  disturb(): void {
    this.calmSince = undefined;
    this.isSpreading = false;
  }

  private isAsItWas(group: CopyGroup): boolean {
    const { leader, followers } = group;
    if (leader === undefined || !followers.every(({ isLevel }) => isLevel)) return false;
    const name = nameOf(group);
    return name === this.handedOver || (this.leaders.get(name) ?? leader) === leader;
  }

  /** Begins when one server leads far too much, and goes on until no hand-over makes it better. */
  private handOverDue(groups: readonly CopyGroup[]): HandOver | undefined {
    const kinds = kindsOf(groups);
    this.isSpreading ||= kinds.some((kind) => crowdedServers(kind).length > 0);
    if (!this.isSpreading) return undefined;
    const found = kinds.map(bestHandOver).find((each) => each !== undefined);
    this.isSpreading = found !== undefined;
    return found;
  }
}

/**
 * Hands over from the server that leads most to the server that leads least, of the kind that the first leads most: one server
 * must not lead all logs.
 */
function bestHandOver(groups: readonly CopyGroup[]): HandOver | undefined {
  const led = countLed(groups);
  const gap = (from: string, to: string) => led.get(from)! - led.get(to)!;
  const alike = (server: string, work: string) =>
    groups.filter((group) => group.leader === server && workOf(group) === work).length;
  let [best, bestGap, bestAlike]: [HandOver | undefined, number, number] = [undefined, 1, 0];
  for (const group of groups) {
    const from = group.leader!;
    for (const { server: to } of group.followers) {
      const isAlike = alike(from, workOf(group)) - alike(to, workOf(group));
      const isBetter = gap(from, to) > bestGap || (gap(from, to) === bestGap && isAlike > bestAlike);
      if (gap(from, to) > 1 && isBetter) [best, bestGap, bestAlike] = [{ group, from, to }, gap(from, to), isAlike];
    }
  }
  return best;
}

const nameOf = ({ stream, consumer = "" }: CopyGroup) => `${stream} ${consumer}`;
/** All queues do the same work, and so do all logs. */
const workOf = ({ stream }: CopyGroup) => stream.replace(/\d+$/, "");

/** Reads which servers lead in the NATS cluster, and orders one hand-over at a time where one server leads too much. */

/** Between two looks, and so between two hand-overs: each of them makes its writers wait for a moment. */
export const SPREAD_EVERY_MS = 5_000;

export interface SpreadContext {
  bus: Bus;
  partitions: number;
  /** How long all servers must have been well, ms. */
  calmMs: number;
}

/** @returns a look, to be repeated every SPREAD_EVERY_MS; it throws when a leader does not answer */
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
