/** A connection to a gateway over either transport, as bytes of whole or cut frames. */
import { connect } from "node:net";
import { WebSocket } from "ws";

export type Transport = "tcp" | "ws";

export interface LinkAddress {
  host: string;
  port: number;
  /** Address of this machine to connect from: one of them has 28,000 ports. */
  localAddress: string;
}

interface LinkEvents {
  onOpen(): void;
  onBytes(bytes: Buffer): void;
  /** It failed or was closed, by whichever side; told once. */
  onEnd(why: string): void;
}

export interface Link {
  write(bytes: Uint8Array): void;
  /** Ends it at once, as when a cable is pulled: nothing is said. */
  cut(): void;
}

export function openLink(transport: Transport, address: LinkAddress, events: LinkEvents): Link {
  return transport === "tcp" ? openTcp(address, events) : openWebSocket(address, events);
}

function openTcp({ host, port, localAddress }: LinkAddress, { onOpen, onBytes, onEnd }: LinkEvents): Link {
  const socket = connect({ host, port, localAddress, noDelay: true });
  let why = "the gateway closed the connection";
  socket.on("connect", onOpen);
  socket.on("data", onBytes);
  socket.on("error", ({ message }) => {
    why = message;
  });
  socket.on("close", () => onEnd(why));
  return { write: (bytes) => socket.write(bytes), cut: () => socket.destroy() };
}

function openWebSocket({ host, port, localAddress }: LinkAddress, { onOpen, onBytes, onEnd }: LinkEvents): Link {
  const socket = new WebSocket(`ws://${host}:${port}/ws`, "carillon.v1", { perMessageDeflate: false, localAddress });
  let why = "the gateway closed the connection";
  socket.on("open", onOpen);
  socket.on("message", onBytes);
  socket.on("error", ({ message }) => {
    why = message;
  });
  socket.on("close", () => onEnd(why));
  return { write: (bytes) => socket.send(bytes), cut: () => socket.terminate() };
}
