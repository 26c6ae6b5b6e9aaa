/** All times of the library, ms. Nodes of one cluster must agree on `ttlMs`, `heartbeatMs` and `suspectMs`. */
export interface Timings {
  /** Life of a node's record without renewal. */
  ttlMs: number;
  /** Time between two renewals. */
  renewMs: number;
  /** Time between two full listings of the nodes. */
  listMs: number;
  /** Time between two heartbeats. */
  heartbeatMs: number;
  /** A node without heartbeats for this time is suspected; a rival for a node's key must be silent for the same time. */
  suspectMs: number;
  /** Time for which nodes that expired during an outage of the control plane stay in the view after it. */
  graceMs: number;
  /** Maximum random delay before a node creates its lost record again, so that not all nodes of a cluster do so at once. */
  jitterMs: number;
  /** Deadline of one request to NATS. */
  requestMs: number;
}

export const DEFAULT_TIMINGS: Timings = {
  ttlMs: 10_000,
  renewMs: 2_500,
  listMs: 3_000,
  heartbeatMs: 500,
  suspectMs: 2_000,
  graceMs: 10_000,
  jitterMs: 1_000,
  requestMs: 2_000,
};

/** Returns the defaults, overridden by the given times. */
export function timingsFrom(given: Partial<Timings>): Timings {
  const timings = { ...DEFAULT_TIMINGS };
  for (const name of Object.keys(timings) as (keyof Timings)[]) {
    timings[name] = given[name] ?? timings[name];
  }
  return timings;
}
