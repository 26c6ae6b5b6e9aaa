/** Questions of gateways about sessions and inboxes: who is where, what an inbox holds. */
import type { Logger } from "@carillon/base/node";
import {
  type Announcement,
  type Bus,
  type Heads,
  type HeadsRead,
  type InboxPage,
  type InboxRead,
  type LargeGroupsOf,
  type LargeGroupsRead,
  type SessionCheck,
  type SessionClose,
  type SessionOpen,
  type SessionOpened,
  type SessionVerdicts,
  serve,
  subjects,
} from "@carillon/bus";
import {
  CarillonError,
  CloseCode,
  deliveredBy,
  type ErrorName,
  fitsSizes,
  limits,
  peekEvent,
} from "@carillon/protocol";
import type { DeviceRules, DeviceSession, Inboxes, OpenedSession, Sessions } from "@carillon/store";
import { busy, orBusy } from "../busy";

const QUEUE = "workers";
/** A gateway waits 3 s for the answer to a CONNECT. */
const PATIENCE_MS = 2_500;

/** What the rules say about a user's tokens, from MySQL or its copy. */
interface Credentials {
  status: "normal" | "disabled" | "deleted";
  tokenVersion: number;
  devices: ReadonlyMap<string, { revoked: boolean; login: string | undefined }>;
}

export interface SessionServiceOptions {
  bus: Bus;
  logger: Logger;
  inboxes: Inboxes;
  sessions: Sessions;
  /** What may stay of a user's devices when another one connects. */
  deviceRules(): DeviceRules;
  /** A user who does not exist is missing. */
  credentials(userIds: string[]): Promise<ReadonlyMap<string, Credentials>>;
  hasConversation(userId: string): Promise<boolean>;
  largeGroupsOf(userIds: string[]): Promise<ReadonlyMap<string, string[]>>;
  /** Tells all gateways of an inbox that was made now. */
  announce(announcements: Announcement[]): void;
  /** The user comes or goes. @param at ms */
  saw(userId: string, at: number): void;
  /** Closes connections that another one replaced. */
  close(userId: string, replaced: DeviceSession, closeCode: number): void;
}

export class SessionService {
  private stops: (() => void)[] = [];

  constructor(private readonly options: SessionServiceOptions) {}

  start(): void {
    const { bus } = this.options;
    this.stops = [
      serve<SessionOpen, SessionOpened>(bus, subjects.sessionOpen, (question) => this.open(question), QUEUE),
      serve<SessionCheck, SessionVerdicts>(bus, subjects.sessionCheck, (question) => this.check(question), QUEUE),
      serve<SessionClose, null>(bus, subjects.sessionClose, (question) => this.close(question), QUEUE),
      serve<InboxRead, InboxPage>(bus, subjects.inbox, (question) => this.readInbox(question), QUEUE),
      serve<HeadsRead, Heads>(bus, subjects.heads, (question) => this.heads(question), QUEUE),
      serve<LargeGroupsRead, LargeGroupsOf>(bus, subjects.groups, (question) => this.largeGroups(question), QUEUE),
    ];
  }

  stop(): void {
    for (const stop of this.stops.splice(0)) stop();
  }

  private async open(question: SessionOpen): Promise<SessionOpened> {
    const { userId, inbox, deviceId, platform, gateway, boot, connection, since } = question;
    const session = { deviceId, platform, gateway, boot, connection, since };
    const { clock } = this.options.bus;
    const givenUpAt = clock.monotonic() + PATIENCE_MS;
    const [refused] = await this.check({ sessions: [question] });
    if (refused != null) throw new CarillonError(refused);
    // Nobody waits for the answer any more: who would be registered now may be gone, and would be shown online for ever.
    if (clock.monotonic() > givenUpAt) throw busy();
    const opened = await orBusy(this.options.sessions.open(userId, session, this.options.deviceRules()));
    if (opened === undefined) throw new CarillonError("CONFLICT", "a newer connection of this device is here");
    this.options.saw(userId, since);
    for (const replaced of opened.replaced) this.options.close(userId, replaced, CloseCode.REPLACED);
    if (opened.isNew) this.options.announce([{ userId, epoch: opened.head.epoch }]);
    const delivered = await this.unreported(userId, opened, inbox);
    const resume = resumeFrom(opened, inbox ?? opened.cursor);
    if (resume !== undefined) return { inbox: opened.head, ...resume, delivered };
    // A device that the server knows nothing of: new, or forgotten. It needs a SYNC if there is anything to have.
    const something = opened.head.seq > 0 || (await this.hasConversation(userId));
    return { inbox: opened.head, resume: something ? "resync" : "none", from: opened.head.seq, delivered };
  }

  /** What the device has beyond the cursor that is stored of it: receipts of that were lost. */
  private async unreported(
    userId: string,
    { head, firstSeq, cursor }: OpenedSession,
    inbox: SessionOpen["inbox"],
  ): Promise<SessionOpened["delivered"]> {
    if (inbox?.epoch !== head.epoch || inbox.seq > head.seq) return [];
    const from = cursor?.epoch === head.epoch ? cursor.seq : firstSeq - 1;
    if (inbox.seq <= from) return [];
    const { epoch, events } = await orBusy(this.options.inboxes.read(userId, from, inbox.seq - from));
    const had = events.filter(([inboxSeq]) => inboxSeq <= inbox.seq).map(([, event]) => peekEvent(event));
    return epoch === head.epoch ? [...deliveredBy(userId, had)] : [];
  }

  private async check({ sessions }: SessionCheck): Promise<SessionVerdicts> {
    const userIds = [...new Set(sessions.map(({ userId }) => userId))];
    const credentials = await orBusy(this.options.credentials(userIds));
    return sessions.map((session) => refusalOf(session, credentials.get(session.userId)));
  }

  private async hasConversation(userId: string): Promise<boolean> {
    return orBusy(this.options.hasConversation(userId));
  }

  private async close({ userId, endedAt, ...session }: SessionClose): Promise<null> {
    this.options.saw(userId, endedAt);
    await orBusy(this.options.sessions.close(userId, session));
    return null;
  }

  private async readInbox({ userId, after }: InboxRead): Promise<InboxPage> {
    const page = await orBusy(this.options.inboxes.read(userId, after, limits.maxBatchEvents));
    const fitting = fitsSizes(page.events.map(([, event]) => event.length));
    return { epoch: page.epoch, seq: page.seq, events: page.events.slice(0, fitting) };
  }

  private async heads({ userIds }: HeadsRead): Promise<Heads> {
    const { heads } = await orBusy(this.options.inboxes.heads(userIds));
    return userIds.map((userId, i) => [userId, heads[i]!.epoch, heads[i]!.seq]);
  }

  private async largeGroups({ userIds }: LargeGroupsRead): Promise<LargeGroupsOf> {
    return [...(await orBusy(this.options.largeGroupsOf(userIds)))];
  }
}

/** Why a session of these tokens may not be, by what is stored of its user. */
export function refusalOf(
  { deviceId, tokenVersion, login }: SessionCheck["sessions"][number],
  credentials: Credentials | undefined,
): ErrorName | null {
  if (credentials === undefined || credentials.status === "deleted") return "NOT_AUTHENTICATED";
  if (credentials.status === "disabled") return "USER_DISABLED";
  // A device without a row never logged in by password: its token was made for it by an operator.
  const device = credentials.devices.get(deviceId);
  const isOlderLogin = device !== undefined && login !== undefined && login !== device.login;
  const isOlderVersion = tokenVersion !== undefined && tokenVersion !== credentials.tokenVersion;
  const isRevoked = isOlderVersion || device?.revoked === true || isOlderLogin;
  return isRevoked ? "TOKEN_REVOKED" : null;
}

/**
 * Where a device goes on, by what it (or its stored cursor) says it has. A cursor of another epoch, beyond the head
 * or older than the first event held leads to a resync: never to silence.
 * @returns undefined when there is no cursor at all
 */
export function resumeFrom(
  opened: Pick<OpenedSession, "head" | "firstSeq">,
  cursor: { epoch: string; seq: number } | undefined,
): { resume: "none" | "replay" | "resync"; from: number } | undefined {
  if (cursor === undefined) return undefined;
  const { head, firstSeq } = opened;
  if (cursor.epoch !== head.epoch || cursor.seq > head.seq || cursor.seq < firstSeq - 1) {
    return { resume: "resync", from: head.seq };
  }
  return { resume: cursor.seq === head.seq ? "none" : "replay", from: cursor.seq };
}
