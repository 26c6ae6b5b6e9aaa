/** Counts datagrams that were dropped, in all and by address, so that an operator sees a flood and where it comes from. */
import { addressKey, type Clock } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import { LRUCache } from "lru-cache";
import type { GatewayMetrics } from "../../metrics";

/** `no-ticket`: too short, too long, or of no ticket that is known here. */
export type DropReason = "no-ticket" | "forged" | "repeated";

export interface DroppedDatagramsOptions {
  metrics: Pick<GatewayMetrics, "droppedDatagrams">;
  logger: Pick<Logger, "warn">;
  clock: Pick<Clock, "monotonic">;
}

const MOST_ADDRESSES = 10_000;
const SHOWN_ADDRESSES = 5;
/** The log names the addresses once in this time, ms, if at least so many datagrams were dropped. */
const REPORT_MS = 60_000;
const REPORT_FROM = 1_000;

export class DroppedDatagrams {
  private readonly byAddress = new LRUCache<string, number>({ max: MOST_ADDRESSES });
  private count = 0;
  private reportedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: DroppedDatagramsOptions) {}

  add(why: DropReason, address: string): void {
    this.options.metrics.droppedDatagrams.inc({ why });
    // A datagram that the network has doubled is nobody's attack.
    if (why === "repeated") return;
    const key = addressKey(address);
    this.byAddress.set(key, (this.byAddress.get(key) ?? 0) + 1);
    this.count++;
    if (this.count >= REPORT_FROM && this.options.clock.monotonic() - this.reportedAt >= REPORT_MS) this.report();
  }

  private report(): void {
    const most = [...this.byAddress.entries()].sort(([, a], [, b]) => b - a).slice(0, SHOWN_ADDRESSES);
    const addresses = Object.fromEntries(most);
    this.options.logger.warn({ dropped: this.count, addresses }, "datagrams without a valid ticket were dropped");
    this.byAddress.clear();
    this.count = 0;
    this.reportedAt = this.options.clock.monotonic();
  }
}
