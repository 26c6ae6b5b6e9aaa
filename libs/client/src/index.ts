/** The SDK for browsers, and for other platforms that have a WebSocket. */
import { BaseClient } from "./client";
import { platformWebSocket } from "./connection/websocket";
import type { ClientOptions } from "./options";

export * from "./public";

/** A client in a browser: one device of one user. `BaseClient` has all its methods. */
export class CarillonClient extends BaseClient<"ws"> {
  constructor(options: ClientOptions<"ws">) {
    super(options, { ws: platformWebSocket() });
  }
}
