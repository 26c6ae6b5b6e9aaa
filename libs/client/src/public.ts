/** What both faces of the package (browser and Node) have in common. */
export {
  CarillonError,
  type ContentType,
  type ConversationRow,
  type Event,
  type Platform,
  type PulledPayload,
  type PullPayload,
  parseSystemContent,
  type SendPayload,
  type SentPayload,
  type SystemContent,
  type UserPresence,
} from "@carillon/protocol";
export type { Content } from "./client";
export type { ClientState } from "./connection/client-state";
export { Refused } from "./connection/keeper";
export type { Link, LinkEvents, Transport } from "./connection/transport";
export type { ClientEvents, FailedMessage, Gap, Listener, Receipt } from "./events";
export { type History, HttpApi } from "./http/http-api";
export type { Credentials, TokenSource } from "./http/tokens";
export type { ClientOptions } from "./options";
export { type ClientStorage, MemoryStorage } from "./storage/storage";
