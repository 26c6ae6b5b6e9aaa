/** The options of a client. */
import type { Platform } from "@carillon/protocol";
import type { Transport } from "./connection/transport";
import type { Credentials, OpenedSession, TokenSource } from "./http/tokens";
import type { ClientStorage } from "./storage/storage";

interface BaseOptions<TransportName extends string> {
  /** Address of the HTTP API: `http://host:port`. */
  api: string;
  /** The id of this device among the user's devices. A second client with the same `deviceId` ends the first one. */
  deviceId: string;
  /** The platform of the device. */
  platform: Platform;
  /** A storage for this device and user alone. Default: memory. */
  storage?: ClientStorage;
  /** The transport to gateways. Default: `ws`. */
  transport?: TransportName | Transport;
  /** The name and version that CONNECT tells operators. Default: those of the SDK. */
  sdk?: string;
}

/**
 * With `credentials` the client logs in and renews its tokens itself. With `session` it continues a session that a back end has
 * opened, and renews the tokens itself. With `token` the app provides the tokens.
 */
export type ClientOptions<TransportName extends string = "ws"> = BaseOptions<TransportName> &
  (
    | { credentials: Credentials; session?: never; token?: never }
    | { session: OpenedSession; credentials?: never; token?: never }
    | { token: TokenSource; credentials?: never; session?: never }
  );
