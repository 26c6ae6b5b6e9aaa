/** Finds out whether the process that wrote a record is alive; a node asks this when its own key is taken. */
import { guarded, sleep } from "@carillon/base";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Bucket } from "../kv/bucket";
import type { Timings } from "../timings";
import type { NodeRecord } from "./node-record";
import { beatSubject, bootOfBeat } from "./pulse";

export interface Rival {
  key: string;
  /** Revision of the record that was found. */
  revision: number;
  record: NodeRecord;
}

/**
 * Resolves when the rival's boot was silent for `suspectMs` (no heartbeat and no renewal, while NATS answered and this
 * process was not stalled), or when its record has ended.
 *
 * @returns the revision that an update may take over; 0 when there is no record
 * @throws Error when the rival is alive after three ttl: two processes have the same nodeId
 */
export async function waitForSilence(
  rival: Rival,
  bucket: Bucket,
  connection: NatsConnection,
  { suspectMs, heartbeatMs, ttlMs }: Timings,
): Promise<number> {
  const { key, record } = rival;
  const startedAt = performance.now();
  let silentSince = startedAt;
  let revision = rival.revision;
  const subscription = connection.subscribe(beatSubject(record.role), {
    callback: guarded("subscription", (error, message) => {
      if (error === null && bootOfBeat(message) === record.boot) silentSince = performance.now();
    }),
  });
  try {
    while (performance.now() - silentSince < suspectMs) {
      const before = performance.now();
      if (before - startedAt > 3 * ttlMs) {
        throw new Error(`another process (boot ${record.boot}) is alive as ${record.role} ${record.nodeId}`);
      }
      await sleep(heartbeatMs / 2);
      const entry = await bucket.read(key).catch(() => null);
      const now = performance.now();
      if (entry === undefined || entry?.ended !== undefined) return entry?.revision ?? 0;
      // NATS did not answer, or this process was stalled: it would not have heard the rival.
      if (entry === null || now - before > heartbeatMs * 2) silentSince = now;
      else if (entry.revision !== revision) {
        revision = entry.revision;
        silentSince = now;
      }
    }
    return revision;
  } finally {
    subscription.unsubscribe();
  }
}
