/** One entry of the session registry: where a device is. */
export interface SessionEntry {
  gateway: string;
  boot: string;
  connection: number;
  platform: string;
  /** When the connection was accepted, ms. */
  since: number;
}

/** The entry as the registry holds it: "gateway boot connection platform since". */
export function formatSession({ gateway, boot, connection, platform, since }: SessionEntry): string {
  return `${gateway} ${boot} ${connection} ${platform} ${since}`;
}

export function parseSession(value: string): SessionEntry {
  const [gateway, boot, connection, platform, since] = value.split(" ") as [string, string, string, string, string];
  return { gateway, boot, connection: Number(connection), platform, since: Number(since) };
}

/** The gateway of an entry as the registry holds it. */
export const gatewayOf = (value: string): string => value.slice(0, value.indexOf(" "));
