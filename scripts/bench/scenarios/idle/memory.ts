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

/** Bytes for each connection that came after the first ones. @param resident MiB with all of them */
export function bytesPerConnection({ connections, first }: MemoryReadings, resident: number): number {
  return ((resident - first) * 1_024 * 1_024) / (connections[1] - connections[0]);
}

/** `4.5 KB a connection 120 s after the last one came (12.2 KB at most): 88 MiB with 500, 164 MiB with all` */
export function describeMemory(readings: MemoryReadings, settleSeconds: number): string {
  const kilobytes = (resident: number) => (bytesPerConnection(readings, resident) / 1_024).toFixed(1);
  const { connections, first, all, most } = readings;
  return (
    `${kilobytes(all)} KB a connection ${settleSeconds} s after the last one came (${kilobytes(most)} KB at most): ` +
    `${first.toFixed(0)} MiB with ${connections[0]}, ${all.toFixed(0)} MiB with all`
  );
}

/** KB per connection of several servers beside each other, the first one as the measure. */
export function compareMemory(servers: { name: string; tier: string; memory: MemoryReadings }[]): string[] {
  const bytes = servers.map(({ memory }) => bytesPerConnection(memory, memory.all));
  const row = (cells: string[]) =>
    `  ${cells[0]!.padEnd(22)}${cells[1]!.padEnd(6)}${cells[2]!.padStart(16)}${cells[3]!.padStart(10)}`;
  return [
    row(["", "tier", "KB a connection", "at most"]),
    ...servers.map(({ name, tier, memory }, index) =>
      row([
        name,
        tier,
        (bytes[index]! / 1_024).toFixed(1),
        (bytesPerConnection(memory, memory.most) / 1_024).toFixed(1),
      ]),
    ),
  ];
}
