import type { Recipient } from "@carillon/client";
import type { DeviceHistory, ListedRow } from "@carillon/testkit";

/** One device of the load: it sends when it is told to, keeps what it is shown, and comes back whatever happens. */
export interface LoadDevice {
  readonly history: DeviceHistory;
  /** Messages that have no answer yet. */
  readonly unanswered: number;
  /** Resolves when its first session is open: from then on it misses nothing. */
  connect(): Promise<void>;
  /** Sends one message to its peer; never fails, repeats until there is an answer. */
  send(content: string): void;
  /** What it still waits for, as far as it knows itself; undefined: nothing. */
  readonly behind: string | undefined;
  /** The list of conversations that it keeps by itself; absent: it keeps none. */
  readonly list?: ListedRow[];
  close(): Promise<void>;
}

/** Who a device is, and whom it writes to. */
export interface Account {
  userId: string;
  deviceId: string;
  peerId: string;
  /** Whom it writes to, as SEND names it. */
  to: Recipient;
  conversationId: string;
  token: string;
}
