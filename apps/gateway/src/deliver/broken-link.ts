/**
 * What has to be looked at when a link broke: what its sender may have said in vain, and nothing else. A worker whose
 * Redis is slow begins its links anew, and must not make every gateway ask MySQL about all of its sessions by that.
 */
import type { DownlinkReceiverOptions } from "@carillon/bus";
import { senderRole } from "@carillon/bus";

export interface Doubts {
  /** Pushes, and news of large groups. */
  inboxes: boolean;
  /** Orders to close sessions. */
  sessions: boolean;
  /** Notices, and what gateways tell each other, which is lost together with them. */
  notices: boolean;
}

export function doubtsAfter(sender: string, why: Parameters<DownlinkReceiverOptions["onBreak"]>[1]): Doubts {
  const role = senderRole(sender);
  // A command gives an order, waits until each gateway has confirmed it, and is gone: nothing of it can be lost unnoticed.
  if (role === "command") return { inboxes: false, sessions: false, notices: false };
  // What a link that begins had to say before it began, it said again, or nobody had been told.
  return { inboxes: role === "worker", sessions: role === "api", notices: why !== "begins" };
}
