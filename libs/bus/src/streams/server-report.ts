/** Reports of the NATS server about itself, for the checks of its setup. */
import type { Bus } from "../connection";
import { DEAD_STREAM } from "./definitions";

/** The facts that only the monitoring address tells. */
export interface JetStreamReport {
  /** Whether NATS fsyncs before it acknowledges. */
  syncAlways: boolean;
  /** Maximum bytes that all streams may take together. */
  maxStorage: number;
  /** Name of the server that leads the cluster itself; undefined with one server, or while there is no leader. */
  leader: string | undefined;
}

/** @param monitor `http://host:port` @throws Error when it does not answer */
export async function readJetStreamReport(monitor: string): Promise<JetStreamReport> {
  const answer = await fetch(`${monitor}/jsz`);
  const { config, meta_cluster } = (await answer.json()) as {
    config?: { sync_always?: boolean; max_storage?: number };
    meta_cluster?: { leader?: string };
  };
  return {
    syncAlways: config?.sync_always === true,
    maxStorage: config?.max_storage ?? 0,
    leader: meta_cluster?.leader,
  };
}

/** Bytes up to which all streams may grow, for one copy of each. */
export async function readReservedBytes(bus: Bus): Promise<number> {
  let sum = 0;
  for await (const { config } of bus.jsm.streams.list()) sum += Math.max(0, config.max_bytes);
  return sum;
}

/** Number of dead letters. */
export async function countDeadLetters(bus: Bus): Promise<number> {
  return (await bus.jsm.streams.info(DEAD_STREAM)).state.messages;
}

/** A work queue and its consumers. */
export interface QueueReport {
  messages: number;
  /** `pending`: messages not handed out yet; `ackPending`: messages handed out and not acknowledged. */
  consumers: { name: string; pending: number; ackPending: number }[];
}

/** Reads the queue and its consumers one after the other, so the numbers need not fit while messages move. */
export async function readQueueReport(bus: Bus, stream: string): Promise<QueueReport> {
  const { state } = await bus.jsm.streams.info(stream);
  const consumers: QueueReport["consumers"] = [];
  for await (const { name, num_pending: pending, num_ack_pending: ackPending } of bus.jsm.consumers.list(stream)) {
    consumers.push({ name, pending, ackPending });
  }
  return { messages: state.messages, consumers };
}
