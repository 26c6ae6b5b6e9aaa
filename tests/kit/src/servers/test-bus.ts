import { silentLogger } from "@carillon/base/node";
import { type Bus, connectBus, createLayout } from "@carillon/bus";

/** A connection to an empty NATS with the streams of a cluster. */
export interface TestBus {
  bus: Bus;
  /** The settings of the connection and the streams. */
  settings: { servers: string[]; fsync: boolean; replicas: 1; streamMegabytes: number };
}

/** @param nats a server from `startServers`; the caller closes the bus before stopping the server */
export async function openTestBus(nats: { url: string }, partitions: number): Promise<TestBus> {
  const settings = { servers: [nats.url], fsync: true, replicas: 1 as const, streamMegabytes: 16 };
  const bus = await connectBus({ settings, name: "test", logger: silentLogger() });
  await createLayout(bus, settings, partitions);
  return { bus, settings };
}
