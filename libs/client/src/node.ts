/** The SDK for Node: the SDK for browsers, plus TCP, UDP and a storage in a folder. */
import { BaseClient } from "./client";
import { tcpTransport } from "./node/tcp";
import { udpTransport } from "./node/udp";
import { wsTransport } from "./node/ws";
import type { ClientOptions } from "./options";

export { type FileStorage, openFileStorage } from "./node/file-storage";
export { tcpTransport } from "./node/tcp";
export { udpTransport } from "./node/udp";
export { wsTransport } from "./node/ws";
export * from "./public";

/** A client in Node: one device of one user. `BaseClient` has all its methods. */
export class CarillonClient extends BaseClient<"ws" | "tcp" | "udp"> {
  constructor(options: ClientOptions<"ws" | "tcp" | "udp">) {
    super(options, { ws: wsTransport, tcp: tcpTransport, udp: udpTransport });
  }
}
