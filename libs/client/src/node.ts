/** The SDK for Node: the SDK for browsers, plus TCP and a storage in a folder. */
import { BaseClient } from "./client";
import { tcpTransport } from "./node/tcp";
import { wsTransport } from "./node/ws";
import type { ClientOptions } from "./options";

export { type FileStorage, openFileStorage } from "./node/file-storage";
export { tcpTransport } from "./node/tcp";
export { wsTransport } from "./node/ws";
export * from "./public";

/** A client in Node: one device of one user. `BaseClient` has all its methods. */
export class CarillonClient extends BaseClient<"ws" | "tcp"> {
  constructor(options: ClientOptions<"ws" | "tcp">) {
    super(options, { ws: wsTransport, tcp: tcpTransport });
  }
}
