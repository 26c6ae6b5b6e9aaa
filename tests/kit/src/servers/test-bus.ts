import { silentLogger } from "@carillon/base/node";
import { type Bus, connectBus, createLayout } from "@carillon/bus";

/** A connection to an empty NATS, in which the streams of a cluster were made. */
export interface TestBus {
  bus: Bus;
  /** With which it was connected and made. */
  settings: { servers: string[]; fsync: boolean; replicas: 1; streamMegabytes: number };
}

/** @param nats a server from `startServers`; the caller closes the bus before he stops it */
export async function openTestBus(nats: { url: string }, partitions: number): Promise<TestBus> {
  const settings = { servers: [nats.url], fsync: true, replicas: 1 as const, streamMegabytes: 16 };
  const bus = await connectBus({ settings, name: "test", logger: silentLogger() });
  await createLayout(bus, settings, partitions);
  return { bus, settings };
}
