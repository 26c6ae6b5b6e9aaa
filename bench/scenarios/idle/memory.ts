/** What a server's memory says of one connection, and how it is told. Pure. */

/** Resident memory of the processes that hold the connections, MiB. */
export interface MemoryReadings {
  /** How many the first connections were, and how many all of them. */
  connections: [first: number, all: number];
  /** A settling time after the first connections were open. */
  first: number;
  /** A settling time after all were open. */
  all: number;
  /** The most on the way from the first connections to the settled end. */
  most: number;
}

/** Connections that are opened first are few, but not nothing; even, since clients of peers come in pairs. */
export function firstOf(clients: number, most: number): number {
  return Math.min(most, Math.floor(clients / 10)) & ~1;
}

/** Bytes for each connection that came after the first ones. */
export interface ConnectionBytes {
  settled: number;
  most: number;
}

export function bytesPerConnection({ connections, first, all, most }: MemoryReadings): ConnectionBytes {
  const share = (resident: number) => ((resident - first) * 1_024 * 1_024) / (connections[1] - connections[0]);
  return { settled: share(all), most: share(most) };
}

const kilobytes = (bytes: number) => (bytes / 1_024).toFixed(1);

/** `5.5 KB a connection 120 s after the last one came (12.2 KB at most): 88 MiB with 500, 182 MiB with all` */
export function describeMemory(readings: MemoryReadings, settleSeconds: number): string {
  const { connections, first, all } = readings;
  const { settled, most } = bytesPerConnection(readings);
  return (
    `${kilobytes(settled)} KB a connection ${settleSeconds} s after the last one came (${kilobytes(most)} KB at most): ` +
    `${first.toFixed(0)} MiB with ${connections[0]}, ${all.toFixed(0)} MiB with all`
  );
}

/** A table of several servers. */
export function compareMemory(servers: { name: string; tier: string; bytes: ConnectionBytes }[]): string[] {
  const row = (name: string, tier: string, settled: string, most: string) =>
    `  ${name.padEnd(20)}${tier.padEnd(6)}${settled.padStart(16)}${most.padStart(10)}`;
  return [
    row("", "tier", "KB a connection", "at most"),
    ...servers.map(({ name, tier, bytes }) => row(name, tier, kilobytes(bytes.settled), kilobytes(bytes.most))),
  ];
}
