/**
 * The knowledge about the nodes, folded from a watch and from listings. It does no I/O; the caller passes the time in.
 *
 * The revision of a key decides which entry is newer, so watch and listings may arrive in any order. A node departs
 * - at once when its record was deleted, because the node left;
 * - at once when its record expired, unless the control plane may have caused that (see below);
 * - when a listing does not contain it and its last renewal is older than the ttl: an expiry that the watch missed. A listing
 *   alone is not enough, because it may come from a replica that lags.
 *
 * When the control plane was silent for some time, or the bucket was created again, all leases may have expired together
 * although every node is healthy. Then the view keeps missing nodes for a grace time, in which they register again. A node that
 * comes back with the same boot was never away.
 */
import type { Entry, Listing } from "../kv/bucket";
import { type NodeRecord, parseRecord, sameMember } from "../membership/node-record";

export interface ViewTimings {
  ttlMs: number;
  graceMs: number;
  /** Silence of the control plane that counts as an outage, ms. */
  outageMs: number;
}

interface Known {
  revision: number;
  /** Time at which this revision became known. */
  heardAt: number;
  /** Undefined: the node has departed. The entry stays, so that a stale listing does not bring the node back. */
  record: NodeRecord | undefined;
  /** Whether the record is gone from the bucket and the node is kept for the grace time. */
  held: boolean;
}

export class ViewState {
  private readonly known = new Map<string, Known>();
  private created: string | undefined;
  private lastContact: number | undefined;
  private graceUntil = Number.NEGATIVE_INFINITY;

  constructor(private readonly timings: ViewTimings) {}

  /** Nodes of the view by key. */
  *records(): Iterable<NodeRecord> {
    for (const { record } of this.known.values()) if (record !== undefined) yield record;
  }

  /** Whether departures by expiry are held back. */
  private isInGrace(now: number): boolean {
    return now < this.graceUntil;
  }

  /** Takes an entry of the watch. @returns whether the view has changed */
  entry(entry: Entry, now: number): boolean {
    this.contact(now);
    return this.apply(entry, now);
  }

  /** @returns whether the view has changed */
  listing({ created, entries }: Listing, now: number): boolean {
    this.contact(now);
    if (this.created !== undefined && this.created !== created) this.bucketReplaced(now);
    this.created = created;
    let isChanged = false;
    const listed = new Set<string>();
    for (const entry of entries) {
      listed.add(entry.key);
      isChanged = this.apply(entry, now) || isChanged;
    }
    for (const [key, known] of this.known) {
      if (listed.has(key) || now - known.heardAt <= this.timings.ttlMs) continue;
      if (known.record === undefined) this.known.delete(key);
      else if (this.isInGrace(now)) known.held = true;
      else isChanged = this.depart(known, now);
    }
    return this.endGrace(now) || isChanged;
  }

  /** Whether a listing belongs to another life of the bucket than the one before. */
  isReplaced(listing: Listing): boolean {
    return this.created !== undefined && this.created !== listing.created;
  }

  private apply(entry: Entry, now: number): boolean {
    const known = this.known.get(entry.key);
    if (known !== undefined && entry.revision <= known.revision) return false;
    if (entry.ended === undefined) {
      const record = parseRecord(entry.key, entry.value);
      if (record === undefined) return false;
      this.known.set(entry.key, { revision: entry.revision, heardAt: now, record, held: false });
      return !sameMember(known?.record, record);
    }
    if (known?.record === undefined) {
      this.known.set(entry.key, { revision: entry.revision, heardAt: now, record: undefined, held: false });
      return false;
    }
    known.revision = entry.revision;
    if (entry.ended === "expired" && this.isInGrace(now)) {
      known.held = true;
      return false;
    }
    return this.depart(known, now);
  }

  private endGrace(now: number): boolean {
    let isChanged = false;
    if (this.isInGrace(now)) return isChanged;
    for (const known of this.known.values()) {
      if (known.held) isChanged = this.depart(known, now);
    }
    return isChanged;
  }

  private depart(known: Known, now: number): true {
    known.record = undefined;
    known.held = false;
    known.heardAt = now;
    return true;
  }

  private contact(now: number): void {
    if (this.lastContact !== undefined && now - this.lastContact > this.timings.outageMs) {
      this.graceUntil = now + this.timings.graceMs;
    }
    this.lastContact = now;
  }

  /** Forgets all revisions, because they start again in a new life of the bucket. */
  private bucketReplaced(now: number): void {
    this.graceUntil = now + this.timings.graceMs;
    for (const [key, known] of this.known) {
      if (known.record === undefined) this.known.delete(key);
      else Object.assign(known, { revision: 0, held: true });
    }
  }
}
