import type { Recipient } from "@carillon/client";
import type { DeviceHistory, ListedRow } from "@carillon/testkit";

/** One device of the load: it sends on order, records the events that it shows, and always comes back. */
export interface LoadDevice {
  readonly history: DeviceHistory;
  /** Messages that have no answer yet. */
  readonly unanswered: number;
  /** Returns the state of the device's connection in words; absent: the device does not tell. */
  readonly state?: string;
  /** Resolves when the first session is open: from then on the device misses nothing. */
  connect(): Promise<void>;
  /** Sends one message to the peer; it never fails, and repeats the message until there is an answer. */
  send(content: string): void;
  /** Returns what the device still waits for, as far as it knows; undefined: nothing. */
  readonly behind: string | undefined;
  /** Returns the list of conversations that the device keeps by itself; absent: it keeps none. */
  readonly list?: ListedRow[];
  close(): Promise<void>;
}

/** The identity of a device, and its peer. */
export interface Account {
  userId: string;
  deviceId: string;
  peerId: string;
  /** The receiver of its messages, as SEND names it. */
  to: Recipient;
  conversationId: string;
  token: string;
}
