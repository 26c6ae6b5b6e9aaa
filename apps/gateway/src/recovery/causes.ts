/**
 * How the gateway repairs losses: a cause, what the gateway then asks again, and how fast.
 *
 * Core NATS may lose messages, Redis may lose its data, a device may lose frames. None of them says what was lost. So the
 * gateway takes a sign of a possible loss, and asks again exactly for what may be missing. A repair that finds nothing is
 * harmless. It is not free, though: a worker whose Redis is slow begins its links again, and that must not make every
 * gateway ask MySQL about all its sessions.
 *
 * docs/architecture.md ("Links") has the causes in words; a test holds both tables equal.
 */
import { type DownlinkReceiverOptions, senderRole, TIMINGS } from "@carillon/bus";
import { REPAIR_EVERY_MS } from "../timings";

/** The repairs, each with its pace. */
export const PACES = {
  /** Workers are asked for the heads of all inboxes, and missing events are fetched. */
  inboxes: { everyMs: REPAIR_EVERY_MS, usersPerQuestion: 500 },
  /** Owners are asked for the rosters of large groups, and workers for the large groups of users. */
  groups: { everyMs: REPAIR_EVERY_MS },
  /** A worker is asked whether the sessions may stay. */
  sessions: { everyMs: REPAIR_EVERY_MS, sessionsPerQuestion: 500 },
  /** Devices are told to SYNC, `gateway.renewalPerSecond` of them a second. MySQL has the marks by then. */
  marks: { afterMs: TIMINGS.noticeRepairMs },
  /** Presence is published and asked for; asked for once more when workers have forgotten what they knew of relations. */
  presence: { everyMs: REPAIR_EVERY_MS, againAfterMs: TIMINGS.watchAgainMs },
  /** Workers register the sessions of `gateway.renewalPerSecond` users a second. */
  registrations: { retryMs: 1_000 },
  /** Each closed session is reported until a worker confirms that the session registry has removed it. */
  closings: { everyMs: 2_000, sessionsAtOnce: 500 },
  /** Unacknowledged events are sent again after each but the last of these times; after the last the connection is closed. */
  events: { afterMs: [5_000, 10_000, 20_000] },
} as const;

export type Repair = Exclude<keyof typeof PACES, "closings" | "events">;

/**
 * The causes, each with its repairs. Two repairs begin without a row here, because they concern one device each: `closings`
 * (no worker confirms a closed session) and `events` (a device does not acknowledge).
 */
export const CAUSES = {
  "the link of a worker begins": ["inboxes", "groups"],
  "the link of a worker jumps or is silent": ["inboxes", "groups", "marks", "presence"],
  "the link of an api begins": ["sessions"],
  "the link of an api jumps or is silent": ["sessions", "marks", "presence"],
  "the gateway's own connection to NATS is back": ["groups", "sessions", "marks", "presence"],
  "the gateway has its lease back": ["presence", "registrations"],
} as const satisfies Record<string, readonly Repair[]>;

export type Cause = keyof typeof CAUSES;

type Break = Parameters<DownlinkReceiverOptions["onBreak"]>[1];

/**
 * The cause that a broken link is. A link that begins repairs less: its sender either said again what it had said before,
 * or told nobody. Messages between gateways take the same way through NATS as the messages of a link, so they count as lost
 * together with these.
 * @returns undefined for a command-line process: it waits until each gateway has confirmed its order, so nothing is lost
 *   unnoticed
 */
export function causeOf(sender: string, why: Break): Cause | undefined {
  const isNew = why === "begins";
  switch (senderRole(sender)) {
    case "worker":
      return isNew ? "the link of a worker begins" : "the link of a worker jumps or is silent";
    case "api":
      return isNew ? "the link of an api begins" : "the link of an api jumps or is silent";
    case "command":
      return undefined;
  }
}
