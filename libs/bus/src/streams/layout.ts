/**
 * The layout: facts on which all nodes of a cluster must agree. The first start fixes them in KV `cluster/layout`. A node with
 * another layout refuses to start, because two numbers of partitions would number messages twice.
 */

import { hash32, retryFor } from "@carillon/base";
import type { Settings } from "@carillon/base/node";
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { type Bus, ELECTION_MS } from "../connection";
import { RECEIPTS_STREAM, receiptsConsumerDefinition, streamDefinitions } from "./definitions";

const BUCKET = "cluster";
const KEY = "layout";

/** The stream of that bucket. */
export const LAYOUT_STREAM = `KV_${BUCKET}`;

export interface ClusterLayout {
  /** Format of queue, log and downlink in this cluster. */
  format: number;
  partitions: number;
  createdAt: number;
}

/** Format of the envelopes in this build. */
export const FORMAT = 1;

/**
 * Creates streams, buckets and layout, or brings those that exist up to date. Several may run at once.
 * @param partitions wanted number; an existing cluster accepts only its own number
 */
export async function createLayout(bus: Bus, settings: Settings["nats"], partitions?: number): Promise<ClusterLayout> {
  const bucket = await new Kvm(bus.js).create(BUCKET, { replicas: settings.replicas, history: 5 });
  const wanted: ClusterLayout = { format: FORMAT, partitions: partitions ?? 2, createdAt: bus.clock.now() };
  const created = bucket.create(KEY, JSON.stringify(wanted));
  const failure = await created.then(
    () => undefined,
    (error: unknown) => error,
  );
  // A layout that exists decides. Without one, the reason why none could be created is the better word.
  const layout = await readLayout(bus).catch((error: unknown) => {
    throw failure === undefined || isTaken(failure) ? error : failure;
  });
  if (partitions !== undefined && partitions !== layout.partitions) {
    throw new Error(
      `this cluster has ${layout.partitions} partitions, which is fixed at the first start; ${partitions} were asked for`,
    );
  }
  for (const definition of streamDefinitions(layout.partitions, settings)) {
    const name = definition.name!;
    await bus.patientJsm.streams.add(definition as typeof definition & { name: string }).catch(async (error: Error) => {
      await bus.patientJsm.streams.update(name, definition).catch(() => {
        throw new Error(`stream ${name} cannot be created: ${error.message}`);
      });
    });
  }
  await bus.patientJsm.consumers.add(RECEIPTS_STREAM, receiptsConsumerDefinition);
  return layout;
}

/** @throws Error that says what to do when the cluster is not initialised or has another format */
export async function readLayout(bus: Bus): Promise<ClusterLayout> {
  // Read from the leader, because a copy may not have the layout yet. No answer does not mean that there is no layout.
  const read = () => bus.jsm.streams.getMessage(LAYOUT_STREAM, { last_by_subj: `$KV.${BUCKET}.${KEY}` });
  const entry = await retryFor(ELECTION_MS, read, isMissing).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
    return null;
  });
  if (entry === null) throw new Error("this cluster is not initialised: run `carillon init`");
  const layout = entry.json<ClusterLayout>();
  if (layout.format !== FORMAT) {
    throw new Error(`this cluster speaks format ${layout.format}, this build format ${FORMAT}: use a matching build`);
  }
  return layout;
}

/**
 * The fingerprint of a layout. Nodes name it when they join, so that a node of another cluster, or of its former life, is
 * noticed.
 */
export function fingerprintOf({ format, partitions, createdAt }: ClusterLayout): string {
  return hash32(`${format} ${partitions} ${createdAt}`).toString(16).padStart(8, "0");
}

function isTaken(error: unknown): boolean {
  if (!(error instanceof JetStreamApiError)) return false;
  const { StreamWrongLastSequence, StreamWrongLastSequenceUnknown } = JetStreamApiCodes;
  return error.code === StreamWrongLastSequence || error.code === StreamWrongLastSequenceUnknown;
}

function isMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
}
