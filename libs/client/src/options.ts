/** What an app says about its client. */
import type { Platform } from "@carillon/protocol";
import type { Transport } from "./connection/transport";
import type { Credentials, OpenedSession, TokenSource } from "./http/tokens";
import type { ClientStorage } from "./storage/storage";

interface BaseOptions<TransportName extends string> {
  /** Address of the HTTP API: `http://host:port`. */
  api: string;
  /** Names this device among the user's; a second client with the same one ends the first. */
  deviceId: string;
  /** What it runs on. */
  platform: Platform;
  /** Of this device and user alone. Default: memory. */
  storage?: ClientStorage;
  /** How it talks to gateways. Default `ws`. */
  transport?: TransportName | Transport;
  /** Said at CONNECT, for operators. */
  sdk?: string;
}

/**
 * With `credentials` the client logs in and exchanges its tokens itself; with `session` it goes on with what a back end has
 * opened, and exchanges the tokens itself; with `token` the app does.
 */
export type ClientOptions<TransportName extends string = "ws"> = BaseOptions<TransportName> &
  (
    | { credentials: Credentials; session?: never; token?: never }
    | { session: OpenedSession; credentials?: never; token?: never }
    | { token: TokenSource; credentials?: never; session?: never }
  );
