/** The addresses at which a gateway listens, and the addresses that clients are told. */
import {
  advertisedHost,
  type CertificateFiles,
  checkHost,
  hostInAddress,
  type ListenerSettings,
  type Settings,
  SettingsError,
} from "@carillon/base/node";

export const WS_PATH = "/ws";
/** The port that an address of the scheme need not name. */
const USUAL_PORTS = { ws: 80, wss: 443 } as const;

/** One address at which a gateway listens. */
export interface ListenerConfig {
  transport: "tcp" | "ws" | "udp";
  host: string;
  /** 0: any free one. */
  port: number;
  /** Undefined: connections are not encrypted, or a balancer in front does that. */
  tls: CertificateFiles | undefined;
  /** Whether each connection begins with a header of the PROXY protocol. */
  proxyProtocol: boolean;
  /** The part of the address that clients are told, where it differs. `host` has the form for use in front of a port. */
  told: { host: string; port: number | undefined; isSecure: boolean };
  /** The path of the upgrade that clients are told. */
  path: string;
}

/** @throws SettingsError */
export function readListeners(gateway: Settings["gateway"]): ListenerConfig[] {
  const { host, tcpPort, wsPort, udpPort, advertiseHost, listeners } = gateway;
  if (listeners.length === 0) {
    const told = advertisedHost(advertiseHost, checkHost("gateway.host", host), "gateway.host");
    const short = { host, tls: undefined, proxyProtocol: false, path: WS_PATH };
    const by = { host: hostInAddress(told), port: undefined, isSecure: false };
    return [
      { ...short, transport: "tcp", port: tcpPort, told: by },
      { ...short, transport: "ws", port: wsPort, told: by },
      { ...short, transport: "udp", port: udpPort, told: by },
    ];
  }
  if (listeners.every(({ transport }) => transport !== "ws")) {
    throw new SettingsError(
      "gateway.listeners: one of them must be ws, because health checks and metrics are read there",
    );
  }
  return listeners.map((each, index) => readListener(`gateway.listeners[${index}]`, each, gateway));
}

function readListener(path: string, each: ListenerSettings, gateway: Settings["gateway"]): ListenerConfig {
  const { transport, host, port, tls, proxyProtocol = false, advertise = {} } = each;
  if (transport !== "ws" && advertise.path !== undefined) {
    throw new SettingsError(`${path}.advertise.path: only an address of WebSocket has a path`);
  }
  if (transport === "udp" && (tls !== undefined || advertise.tls !== undefined || proxyProtocol)) {
    throw new SettingsError(`${path}: udp is always encrypted, and has neither tls nor proxyProtocol`);
  }
  if (proxyProtocol && gateway.trustProxy.length === 0) {
    throw new SettingsError(`${path}.proxyProtocol: gateway.trustProxy must name the proxies that send the header`);
  }
  const told = advertisedHost(advertise.host ?? gateway.advertiseHost, checkHost(`${path}.host`, host), `${path}.host`);
  return {
    ...{ transport, host, port, tls: tls as CertificateFiles | undefined, proxyProtocol },
    told: { host: hostInAddress(told), port: advertise.port, isSecure: advertise.tls ?? tls !== undefined },
    path: advertise.path ?? WS_PATH,
  };
}

/**
 * The address that clients are told: `ws://host:port/ws`, `wss://...`; over TCP `host:port`, or with TLS `tls://host:port`;
 * over UDP `host:port`.
 * @param port the port at which the gateway listens
 */
export function addressOf({ transport, told, path }: ListenerConfig, port: number): string {
  const { host, isSecure } = told;
  const toldPort = told.port ?? port;
  if (transport !== "ws") return `${isSecure ? "tls://" : ""}${host}:${toldPort}`;
  const scheme = isSecure ? "wss" : "ws";
  return `${scheme}://${host}${toldPort === USUAL_PORTS[scheme] ? "" : `:${toldPort}`}${path}`;
}
