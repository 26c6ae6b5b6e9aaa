/** One entry of the session registry: the connection of a device. */
export interface SessionEntry {
  gateway: string;
  boot: string;
  connection: number;
  platform: string;
  /** Time at which the connection was accepted, ms. */
  since: number;
}

/** The stored form of an entry: "gateway boot connection platform since". */
export function formatSession({ gateway, boot, connection, platform, since }: SessionEntry): string {
  return `${gateway} ${boot} ${connection} ${platform} ${since}`;
}

export function parseSession(value: string): SessionEntry {
  const [gateway, boot, connection, platform, since] = value.split(" ") as [string, string, string, string, string];
  return { gateway, boot, connection: Number(connection), platform, since: Number(since) };
}

/** The gateway in the stored form of an entry. */
export const gatewayOf = (value: string): string => value.slice(0, value.indexOf(" "));
