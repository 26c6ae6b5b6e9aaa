/** Questions and hints of gateways about what users see of each other: presence and typing. */
import { rpcSubject } from "../streams/definitions";
import { question, questionTo } from "./question";

/** Asks a worker which users are online, for watchers who may know it. */
export const presenceRead = question<PresenceRead, PresenceFound>("presence");

export interface PresenceRead {
  wanted: [watcherId: string, userIds: string[]][];
}

export interface PresenceFound {
  /** The users whom each watcher may see, in the order of the question. */
  visible: string[][];
  /**
   * The users who block a watcher, with the times of their last presence that this watcher is told; in the order of the
   * question. Older workers do not name them.
   */
  frozen?: [userId: string, lastSeenAt: number][][];
  /** All users whom at least one of the watchers may see. */
  users: UserAtGateways[];
}

/** The connections of a user: platforms by gateway. */
export interface UserAtGateways {
  userId: string;
  /** From the session registry: a gateway may have died since. */
  at: AtGateway[];
  /** Time at which a connection of the user was last opened or closed, ms; 0: unknown. */
  lastSeenAt: number;
}

export interface AtGateway {
  gateway: string;
  boot: string;
  platforms: string[];
}

/** A hint to a gateway where the other users may be; it has no answer, and is lost when no gateway listens. */
export const typingHint = questionTo<[gateway: string], TypingHint, null>((gateway) => rpcSubject(`typing.${gateway}`));

export interface TypingHint {
  conversationId: string;
  /** The typing user. */
  userId: string;
  /** The users to tell. */
  to: string[];
}
