/** The nodes of the cluster as this process knows them: a watch gives speed, listings give truth. */
import { guarded, settlesWithin } from "@carillon/base";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Bucket, BucketWatch } from "../kv/bucket";
import { Listeners } from "../listeners";
import type { Logger } from "../logger";
import { type NodeRecord, nodeKey } from "../membership/node-record";
import type { Timings } from "../timings";
import { ViewState } from "./view-state";

const FIRST_LISTING_RETRY_MS = 250;

export class ClusterView {
  private current = 0;
  private byKey = new Map<string, NodeRecord>();
  private readonly state: ViewState;
  private readonly listeners = new Listeners();
  private watch: BucketWatch | undefined;
  private watches = 0;
  /** Newest revision of the watch, and newest revision of the last listing: a watch that is behind the listing is dead. */
  private watched = 0;
  private listed = 0;
  private timer: NodeJS.Timeout | undefined;
  /** The listing in flight, with the watch that it may start. */
  private listing: Promise<number> | undefined;
  private isClosed = false;
  private markReady: () => void = () => {};
  private readonly isReady = new Promise<void>((resolve) => {
    this.markReady = resolve;
  });

  constructor(
    private readonly bucket: Bucket,
    private readonly connection: NatsConnection,
    private readonly logger: Logger,
    private readonly timings: Timings,
  ) {
    const { ttlMs, graceMs, listMs, requestMs } = timings;
    // A single lost answer can make a listing take its whole deadline.
    this.state = new ViewState({ ttlMs, graceMs, outageMs: Math.min(ttlMs, listMs + requestMs) });
    void this.followConnection();
    void this.list();
  }

  /** Grows with each change of members, their state, addresses or weight. The number has a meaning in this process only. */
  get version(): number {
    return this.current;
  }

  /** Returns all nodes, or the nodes of a role, sorted by role and nodeId, including draining nodes. */
  nodes(role?: string): NodeRecord[] {
    return [...this.byKey.values()].filter((node) => role === undefined || node.role === role);
  }

  /** Returns the nodes of a role whose state is up, sorted by nodeId. */
  up(role: string): NodeRecord[] {
    return this.nodes(role).filter(({ state }) => state === "up");
  }

  get(role: string, nodeId: string): NodeRecord | undefined {
    return this.byKey.get(nodeKey(role, nodeId));
  }

  /** Resolves after the first listing of the nodes. */
  ready(): Promise<void> {
    return this.isReady;
  }

  /** Calls the listener after each change of `version`. @returns an unsubscribe function */
  onChange(callback: () => void): () => void {
    return this.listeners.add(callback);
  }

  /** @internal Waits for a listing in flight: a watch that begins after the connection began to drain never ends. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.watch?.stop();
    this.listeners.clear();
    if (this.listing !== undefined) await settlesWithin(this.listing, this.timings.requestMs);
  }

  private async followConnection(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (this.isClosed) return;
      if (type !== "reconnect") continue;
      this.restartWatch();
      clearTimeout(this.timer);
      void this.list();
    }
  }

  private async list(): Promise<void> {
    if (this.listing !== undefined || this.isClosed) return;
    this.listing = this.listOnce();
    const nextMs = await this.listing;
    this.listing = undefined;
    clearTimeout(this.timer);
    if (this.isClosed) return;
    this.timer = setTimeout(
      guarded("timer", () => this.list()),
      nextMs,
    );
  }

  /** Lists the nodes and repairs the watch. @returns ms until the next listing */
  private async listOnce(): Promise<number> {
    try {
      const listing = await this.bucket.list();
      if (this.isClosed) return 0;
      if (this.state.isReplaced(listing)) {
        this.logger.warn({}, "the bucket of nodes was created again; the last view is kept");
        this.restartWatch();
        this.listed = 0;
      }
      if (this.watched < this.listed) this.restartWatch();
      this.listed = listing.entries.reduce((newest, { revision }) => Math.max(newest, revision), 0);
      this.changed(this.state.listing(listing, performance.now()));
      this.markReady();
      if (this.watch === undefined) await this.startWatch();
      return this.timings.listMs;
    } catch (err) {
      this.logger.debug({ err }, "the nodes could not be listed");
      if (!this.isClosed) await this.bucket.ensure().catch(() => {});
      return Math.min(this.timings.listMs, FIRST_LISTING_RETRY_MS);
    }
  }

  private async startWatch(): Promise<void> {
    this.watched = 0;
    // The first entries of a watch arrive before `watch` returns, and entries of an ended watch may still be in flight.
    const number = ++this.watches;
    const watch = await this.bucket.watch((entry) => {
      if (this.watches !== number || this.isClosed) return;
      this.watched = Math.max(this.watched, entry.revision);
      this.changed(this.state.entry(entry, performance.now()));
    });
    if (this.watches !== number || this.isClosed) return watch.stop();
    this.watch = watch;
    void watch.ended.then(() => {
      if (this.watch === watch) this.watch = undefined;
    });
  }

  /** The next listing starts a new one. */
  private restartWatch(): void {
    this.watches++;
    this.watch?.stop();
    this.watch = undefined;
  }

  private changed(isChanged: boolean): void {
    const keyed = [...this.state.records()].map((record) => [nodeKey(record.role, record.nodeId), record] as const);
    // Also without a change of the view, because a change of the load is none.
    this.byKey = new Map(keyed.sort(([a], [b]) => (a < b ? -1 : 1)));
    if (!isChanged) return;
    this.current++;
    this.listeners.notify();
  }
}
