/** What the NATS server says of itself, for people who look whether it is set up right. */
import type { Bus } from "../connection";
import { DEAD_STREAM } from "./definitions";

/** What only the monitoring address tells. */
export interface JetStreamReport {
  /** Whether it fsyncs before it acknowledges. */
  syncAlways: boolean;
  /** Most bytes that all streams may take together. */
  maxStorage: number;
  /** Name of the server that leads the cluster itself; undefined with one server, or while nobody does. */
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

/** Bytes that all streams may grow to, of one copy each. */
export async function readReservedBytes(bus: Bus): Promise<number> {
  let sum = 0;
  for await (const { config } of bus.jsm.streams.list()) sum += Math.max(0, config.max_bytes);
  return sum;
}

/** How many dead letters there are. */
export async function countDeadLetters(bus: Bus): Promise<number> {
  return (await bus.jsm.streams.info(DEAD_STREAM)).state.messages;
}

/** A work queue and those who take from it. */
export interface QueueReport {
  messages: number;
  /** `pending`: not handed out yet; `ackPending`: handed out, not acknowledged. */
  consumers: { name: string; pending: number; ackPending: number }[];
}

/** Queue and consumers are asked one after the other: while something moves, the numbers need not fit. */
export async function readQueueReport(bus: Bus, stream: string): Promise<QueueReport> {
  const { state } = await bus.jsm.streams.info(stream);
  const consumers: QueueReport["consumers"] = [];
  for await (const { name, num_pending: pending, num_ack_pending: ackPending } of bus.jsm.consumers.list(stream)) {
    consumers.push({ name, pending, ackPending });
  }
  return { messages: state.messages, consumers };
}
