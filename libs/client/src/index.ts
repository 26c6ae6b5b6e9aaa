/** The SDK for browsers, and for whatever else has a WebSocket of its own. */
import { BaseClient } from "./client";
import { platformWebSocket } from "./connection/websocket";
import type { ClientOptions } from "./options";

export * from "./public";

/** A client in a browser: one device of one user. Everything that it can do is in `BaseClient`. */
export class CarillonClient extends BaseClient<"ws"> {
  constructor(options: ClientOptions<"ws">) {
    super(options, { ws: platformWebSocket() });
  }
}
