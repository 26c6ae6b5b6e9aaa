/** A connection to a gateway as bytes, over TCP, WebSocket or UDP. All raw clients open their sockets here. */
import { connect, isIP, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import { readTicket, type TicketInHex, UdpSocket } from "@carillon/udp";
import { WebSocket } from "ws";

export interface LinkEvents {
  onOpen(): void;
  /** The first `length` of `bytes` have arrived. They may be overwritten when the call has returned. */
  onBytes(bytes: Buffer, length: number): void;
  /**
   * The connection has failed, or one of the two sides has closed it. This is called once.
   * @param code of the close over WebSocket and UDP; -1 over TCP, which has none
   */
  onEnd(code: number, error?: Error): void;
}

export interface Link {
  /** Sends bytes, or over WebSocket a string as a text message. */
  write(data: Uint8Array | string): void;
  /** Closes the connection in good order. */
  close(): void;
  /** Ends the connection without a word, like a client that lost its network or was killed. */
  cut(): void;
  /** Returns the socket below; over WebSocket, only after `onOpen`; over UDP there is none. */
  socket(): Socket;
  /** Reads nothing more until `resume`; over WebSocket and UDP, only after `onOpen`. */
  pause(): void;
  resume(): void;
}

export interface TcpPlace {
  host: string;
  port: number;
  /** Address of this machine to connect from: each has 28,000 ports. */
  localAddress?: string;
  /** The authority of the gateway's certificate, in PEM: the connection is encrypted. */
  ca?: string | undefined;
  /** Buffer into which the socket reads; several sockets may share it. Default: each chunk gets a buffer of its own. */
  readInto?: Buffer;
}

/** @param address `host:port` or `tls://host:port` */
export function tcpPlace(address: string): Pick<TcpPlace, "host" | "port"> {
  const { hostname, port } = new URL(address.includes("://") ? address : `tcp://${address}`);
  return { host: hostname.replace(/[[\]]/g, ""), port: Number(port) };
}

export function openTcp({ host, port, localAddress, ca, readInto }: TcpPlace, events: LinkEvents): Link {
  const onRead = (length: number, bytes: Uint8Array) => {
    events.onBytes(bytes as Buffer, length);
    return true;
  };
  const options = {
    ...{ host, port, noDelay: true },
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(readInto === undefined ? {} : { onread: { buffer: readInto, callback: onRead } }),
  };
  const secure = { ...options, ...(isIP(host) === 0 ? { servername: host } : {}), ca: ca ?? [] };
  const socket = ca === undefined ? connect(options) : connectSecurely(secure);
  let failure: Error | undefined;
  socket.on(ca === undefined ? "connect" : "secureConnect", () => events.onOpen());
  if (readInto === undefined) socket.on("data", (chunk) => events.onBytes(chunk, chunk.length));
  socket.on("error", (error) => {
    failure = error;
  });
  socket.on("close", () => events.onEnd(-1, failure));
  return {
    write: (data) => {
      if (!socket.destroyed) socket.write(data);
    },
    close: () => socket.end(),
    cut: () => socket.destroy(),
    socket: () => socket,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
}

export interface WebSocketPlace {
  url: string;
  subprotocol: "carillon.v1" | "carillon.json.v1";
  localAddress?: string;
  /** The authority of the gateway's certificate, in PEM. */
  ca?: string | undefined;
}

export function openWebSocket({ url, subprotocol, localAddress, ca }: WebSocketPlace, events: LinkEvents): Link {
  const webSocket = new WebSocket(url, subprotocol, {
    perMessageDeflate: false,
    ...(ca === undefined ? {} : { ca }),
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  // `ws` gives no access to its socket.
  const below = () => (webSocket as unknown as { _socket: Socket })._socket;
  let failure: Error | undefined;
  webSocket.on("open", () => events.onOpen());
  webSocket.on("message", (data: Buffer) => events.onBytes(data, data.length));
  webSocket.on("error", (error) => {
    failure = error;
  });
  webSocket.on("close", (code) => events.onEnd(code, failure));
  return {
    write: (data) => webSocket.send(data),
    close: () => webSocket.close(),
    cut: () => webSocket.terminate(),
    socket: below,
    pause: () => below().pause(),
    resume: () => below().resume(),
  };
}

/** The answer of `POST /v1/udp-tickets`. */
export interface UdpPlace extends TicketInHex {
  address: string;
}

/** Asks an api for a ticket: 201 and a `UdpPlace`, or a refusal. */
export function askForTicket(api: string, token: string): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return fetch(`${api}/v1/udp-tickets`, { method: "POST", headers, body: "{}" });
}

const UDP_OPEN_MS = 10_000;

/** @param getPlace gets a ticket, which is good for one connection */
export function openUdp(getPlace: () => Promise<UdpPlace>, events: LinkEvents): Link {
  let socket: UdpSocket | undefined;
  const open = async () => {
    const place = await getPlace();
    return UdpSocket.open(place.address, readTicket(place), UDP_OPEN_MS, {
      onBytes: (bytes) => events.onBytes(bytes, bytes.length),
      onClosed: (code = -1) => {
        if (socket !== undefined) events.onEnd(code);
      },
    });
  };
  open().then(
    (opened) => {
      socket = opened;
      events.onOpen();
    },
    (error: Error) => events.onEnd(-1, error),
  );
  return {
    write: (data) => socket?.write(typeof data === "string" ? Buffer.from(data) : data),
    close: () => socket?.close(),
    cut: () => socket?.destroy(),
    socket: () => {
      throw new Error("a session over UDP has no socket of its own");
    },
    // What is not read is lost, as in a full buffer of the kernel.
    pause: () => void socket?.["socket"].removeAllListeners("message"),
    resume: () => void socket?.["socket"].on("message", (datagram: Buffer) => socket?.["receive"](datagram)),
  };
}
