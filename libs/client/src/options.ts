/** The options of a client. */
import { CarillonError, type Platform } from "@carillon/protocol";
import type { Transport } from "./connection/transport";
import type { Credentials, OpenedSession, TokenSource } from "./http/tokens";
import type { ClientStorage } from "./storage/storage";

interface BaseOptions<TransportName extends string> {
  /** Address of the HTTP API: `http://host:port`. */
  api: string;
  /** The id of this device among the user's devices. A second client with the same `deviceId` ends the first client. */
  deviceId: string;
  /** The platform of the device. */
  platform: Platform;
  /** A storage for this device and user alone. Default: memory. */
  storage?: ClientStorage;
  /** The transport to gateways. Default: `ws`. */
  transport?: TransportName | Transport;
  /** The name and version that the client tells operators with CONNECT. Default: those of the SDK. */
  sdk?: string;
}

/**
 * With `credentials` the client logs in and renews its tokens itself. With `session` the client continues a session that a back
 * end has opened, and renews the tokens itself. With `token` the app provides the tokens.
 */
export type ClientOptions<TransportName extends string = "ws"> = BaseOptions<TransportName> &
  (
    | { credentials: Credentials; session?: never; token?: never }
    | { session: OpenedSession; credentials?: never; token?: never }
    | { token: TokenSource; credentials?: never; session?: never }
  );

/**
 * Checks the options for an app without types, which TypeScript cannot check. @throws CarillonError BAD_PAYLOAD that names the
 * option
 */
export function checkOptions({ api, deviceId, credentials, session, token, storage }: ClientOptions<string>): void {
  must(typeof api === "string", "api: must be the address of the HTTP API");
  must(typeof deviceId === "string", "deviceId: must be a string");
  const owner = credentials ?? session;
  must(owner === undefined || typeof owner?.userId === "string", "credentials, session: userId must be a string");
  must(token === undefined || ["string", "function"].includes(typeof token), "token: must be a string or a function");
  const methods = ["get", "set", "delete", "keys"] as const;
  must(
    storage === undefined || methods.every((name) => typeof storage[name] === "function"),
    `storage: must have ${methods.join(", ")}`,
  );
}

function must(isRight: boolean, message: string): void {
  if (!isRight) throw new CarillonError("BAD_PAYLOAD", message);
}
