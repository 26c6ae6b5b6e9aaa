/** The exports that both entry points of the package (browser and Node) share. */
export {
  CarillonError,
  type ContentType,
  type ConversationRow,
  type Event,
  type GroupRow,
  type Platform,
  type Preview,
  type PulledPayload,
  type PullPayload,
  parseSystemContent,
  type RelationRow,
  type SendPayload,
  type SentContentType,
  type SentPayload,
  type SystemContent,
  type UserPresence,
} from "@carillon/protocol";
export type { Content, Recipient } from "./client";
export type { ClientState } from "./connection/keeper";
export { Refused } from "./connection/keeper";
export type { Link, LinkEvents, Transport } from "./connection/transport";
export { ListenerFailed } from "./events/event-source";
export {
  type ClientEvents,
  type FailedMessage,
  type Gap,
  type Listener,
  type Receipt,
  UnreadableEntry,
} from "./events/events";
export type { ConversationSettings, Readers } from "./http/conversation-api";
export { type History, HttpApi, type LogIn, type Page, type PageRange, type TokenAnswer } from "./http/http-api";
export type { AppToken, Credentials, OpenedSession, TokenSource } from "./http/tokens";
export type { ClientOptions } from "./options";
export type { Account, Device, Devices, OwnProfile, Preferences, Profile, Users } from "./people/account";
export type { Friends, Relation } from "./people/friends";
export type {
  Ban,
  Group,
  GroupChange,
  GroupMember,
  Groups,
  GroupWishes,
  Invitation,
  MemberChange,
  OwnRequest,
} from "./people/groups";
export { KeyValueStorage, type KeyValueStore } from "./storage/key-value-storage";
export { type ClientStorage, MemoryStorage } from "./storage/storage";
