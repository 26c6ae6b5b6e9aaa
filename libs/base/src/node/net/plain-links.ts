/** The links of a cluster that are not encrypted and leave the machine, by its settings. */
import type { ListenerSettings, Settings } from "../settings-schema";
import { isEveryAddress } from "./hosts";

export interface PlainLink {
  /** `Redis`, `clients over ws`, for messages. */
  name: string;
  /** The host of the server, or the address on which the process listens. */
  host: string;
  kind: "store" | "listener";
}

type LinkSettings = Pick<Settings, "gateway" | "api" | "nats" | "redis" | "mysql" | "auth">;

const ENCRYPTED = ["tls:", "rediss:", "wss:"];

export function plainLinks({ gateway, api, nats, redis, mysql, auth }: LinkSettings): PlainLink[] {
  const links = [
    // A balancer in front may encrypt: then clients are told so.
    ...listenersOf(gateway).map(({ transport, host, tls, advertise }) => ({
      ...{ name: `clients over ${transport}`, host, kind: "listener" as const },
      isEncrypted: transport === "udp" || tls !== undefined || advertise?.tls === true,
    })),
    { name: "the api", host: api.host, kind: "listener" as const, isEncrypted: api.tls !== undefined },
    ...nats.servers.map((server) => storeLink("NATS", server, nats.tls)),
    storeLink("Redis", redis.url, redis.tls),
    storeLink("MySQL", mysql.url, mysql.tls),
    // Who changes these answers can pose as every user.
    ...auth.issuers.flatMap(({ issuer, jwksUrl }) => (jwksUrl === undefined ? [] : [keysLink(issuer, jwksUrl)])),
    ...(auth.oidc === undefined ? [] : [keysLink(auth.oidc.issuer, auth.oidc.issuer)]),
  ];
  return links.filter(({ host, isEncrypted }) => !isEncrypted && !isLoopback(host));
}

/** The plain links that production mode refuses: to stores, and on all addresses of the machine, also those of the internet. */
export function forbiddenLinks(settings: LinkSettings): PlainLink[] {
  return plainLinks(settings).filter(({ kind, host }) => kind === "store" || isEveryAddress(host));
}

/** Whether only processes of the same machine can reach this host. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/** The listeners of a gateway, also those of the short form. */
export function listenersOf({ listeners, host }: Settings["gateway"]): Omit<ListenerSettings, "port">[] {
  return listeners.length > 0
    ? listeners
    : [
        { transport: "tcp", host },
        { transport: "ws", host },
      ];
}

function storeLink(name: string, address: string, tls: Settings["mysql"]["tls"]) {
  const url = parse(address) ?? parse(`nats://${address}`);
  const isEncrypted =
    tls?.enabled === true || ENCRYPTED.includes(url?.protocol ?? "") || url?.searchParams.has("ssl") === true;
  // An address that is none is refused elsewhere, with a better message.
  return { name, host: url?.hostname.replace(/[[\]]/g, "") ?? "localhost", kind: "store" as const, isEncrypted };
}

function keysLink(issuer: string, address: string) {
  const url = parse(address);
  return { ...storeLink(`the keys of ${issuer}`, address, undefined), isEncrypted: url?.protocol === "https:" };
}

function parse(address: string): URL | undefined {
  try {
    const url = new URL(address);
    return url.hostname === "" ? undefined : url;
  } catch {
    return undefined;
  }
}
