/** Computes the memory of one connection from a server's memory, and describes it. Pure. */

/** Resident memory of the processes that hold the connections, MiB. */
export interface MemoryReadings {
  /** Number of the first connections, and of all connections. */
  connections: [first: number, all: number];
  /** The memory one settling time after the first connections were open. */
  first: number;
  /** The memory one settling time after all connections were open. */
  all: number;
  /** The maximum between the first connections and the settled end. */
  most: number;
}

/** Returns the number of connections to open first: few, but not none, and even, since clients of peers come in pairs. */
export function firstOf(clients: number, most: number): number {
  return Math.min(most, Math.floor(clients / 10)) & ~1;
}

/** Returns the bytes for each connection that came after the first ones. */
export interface ConnectionBytes {
  settled: number;
  most: number;
}

export function bytesPerConnection({ connections, first, all, most }: MemoryReadings): ConnectionBytes {
  const share = (resident: number) => ((resident - first) * 1_024 * 1_024) / (connections[1] - connections[0]);
  return { settled: share(all), most: share(most) };
}

const kilobytes = (bytes: number) => (bytes / 1_024).toFixed(1);

/** Returns `5.5 KB a connection 120 s after the last one came (12.2 KB at most): 88 MiB with 500, 182 MiB with all`. */
export function describeMemory(readings: MemoryReadings, settleSeconds: number): string {
  const { connections, first, all } = readings;
  const { settled, most } = bytesPerConnection(readings);
  return (
    `${kilobytes(settled)} KB a connection ${settleSeconds} s after the last one came (${kilobytes(most)} KB at most): ` +
    `${first.toFixed(0)} MiB with ${connections[0]}, ${all.toFixed(0)} MiB with all`
  );
}

/** Describes several servers in a table. */
export function compareMemory(servers: { name: string; tier: string; bytes: ConnectionBytes }[]): string[] {
  const row = (name: string, tier: string, settled: string, most: string) =>
    `  ${name.padEnd(20)}${tier.padEnd(6)}${settled.padStart(16)}${most.padStart(10)}`;
  return [
    row("", "tier", "KB a connection", "at most"),
    ...servers.map(({ name, tier, bytes }) => row(name, tier, kilobytes(bytes.settled), kilobytes(bytes.most))),
  ];
}
