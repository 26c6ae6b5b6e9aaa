/** Questions of gateways about sessions and inboxes: who is where, what an inbox holds. */
import { Admission, GroupedQuestions } from "@carillon/base";
import type { Logger } from "@carillon/base/node";
import {
  type Announcement,
  type Bus,
  type Heads,
  type HeadsRead,
  headsRead,
  type InboxPage,
  type InboxRead,
  inboxRead,
  type LargeGroupsOf,
  largeGroupsRead,
  type SessionCheck,
  type SessionClose,
  type SessionOpen,
  type SessionOpened,
  type SessionVerdicts,
  serve,
  sessionCheck,
  sessionClose,
  sessionOpen,
  TIMINGS,
} from "@carillon/bus";
import { busy, CarillonError, CloseCode, deliveredBy, fitsSizes, limits, orBusy, peekEvent } from "@carillon/protocol";
import {
  type CredentialQueries,
  type Credentials,
  type DeviceRules,
  type DeviceSession,
  type Inboxes,
  type OpenedSession,
  refusalOf,
  type Sessions,
} from "@carillon/store";

const QUEUE = "workers";

/** Sessions that are opened at once, each with some look-ups in Redis and MySQL. */
const OPENINGS = { atOnce: 64, waiting: 96 };
/** Questions of gateways about hundreds of sessions or users each. */
const CHECKS = { atOnce: 4, waiting: 32 };

export interface SessionServiceOptions {
  bus: Bus;
  logger: Logger;
  inboxes: Inboxes;
  sessions: Sessions;
  /** Rules for the other devices of a user when a device connects. */
  deviceRules(): DeviceRules;
  /**
   * The stored credentials of these sessions, in their order; undefined for a user who does not exist.
   * @param deadline monotonic ms after which nobody waits for the answer
   */
  credentials: CredentialQueries["of"];
  hasConversation(userId: string, deadline?: number): Promise<boolean>;
  largeGroupsOf(userIds: string[], deadline?: number): Promise<ReadonlyMap<string, string[]>>;
  /** Tells all gateways of an inbox that was made now. */
  announce(announcements: Announcement[]): void;
  /** The user comes or goes, with this device. @param at ms */
  saw(userId: string, deviceId: string, at: number): void;
  /** Closes connections that another one replaced. */
  close(userId: string, replaced: DeviceSession, closeCode: number): void;
}

export class SessionService {
  private readonly admissions: Record<"open" | "check" | "groups", Admission>;
  private stops: (() => void)[] = [];

  constructor(private readonly options: SessionServiceOptions) {
    const { clock } = options.bus;
    const monotonic = () => clock.monotonic();
    this.admissions = {
      // A user who connects again and again fills neither.
      open: new Admission({
        ...OPENINGS,
        perKey: { atOnce: 4, waiting: 16 },
        patienceMs: TIMINGS.openSessionMs,
        monotonic,
      }),
      check: new Admission({ ...CHECKS, patienceMs: TIMINGS.openSessionMs, monotonic }),
      groups: new Admission({ ...CHECKS, patienceMs: TIMINGS.openSessionMs, monotonic }),
    };
  }

  start(): void {
    const { bus } = this.options;
    this.stops = [
      serve(bus, sessionOpen, (question, deadline) => this.open(question, deadline), {
        queue: QUEUE,
        admission: this.admissions.open,
        keyOf: ({ userId }) => userId,
      }),
      serve(bus, sessionCheck, ({ sessions }, deadline) => this.check(sessions, deadline), {
        queue: QUEUE,
        admission: this.admissions.check,
      }),
      serve(bus, sessionClose, (question) => this.close(question), { queue: QUEUE }),
      serve(bus, inboxRead, (question) => this.readInbox(question), { queue: QUEUE }),
      serve(bus, headsRead, (question) => this.heads(question), { queue: QUEUE }),
      serve(bus, largeGroupsRead, ({ userIds }, deadline) => this.largeGroups(userIds, deadline), {
        queue: QUEUE,
        admission: this.admissions.groups,
      }),
    ];
  }

  stop(): void {
    for (const stop of this.stops.splice(0)) stop();
  }

  private async open(question: SessionOpen, deadline: number): Promise<SessionOpened> {
    const { userId, inbox, deviceId, platform, gateway, boot, connection, since } = question;
    const session = { deviceId, platform, gateway, boot, connection, since };
    const { clock } = this.options.bus;
    const givenUpAt = clock.monotonic() + TIMINGS.openSessionMs;
    const [refused] = await this.check([question], deadline);
    if (refused != null) throw new CarillonError(refused);
    // Nobody waits for the answer any more: who would be registered now may be gone, and would be shown online for ever.
    if (clock.monotonic() > givenUpAt) throw busy();
    const opened = await orBusy(this.options.sessions.open(userId, session, this.options.deviceRules()));
    if (opened === undefined) throw new CarillonError("CONFLICT", "a newer connection of this device is here");
    this.options.saw(userId, deviceId, since);
    for (const replaced of opened.replaced) this.options.close(userId, replaced, CloseCode.REPLACED);
    if (opened.isNew) this.options.announce([{ userId, inboxEpoch: opened.head.epoch }]);
    const delivered = await this.unreported(userId, opened, inbox);
    const resume = resumeFrom(opened, inbox ?? opened.cursor);
    if (resume?.resume === "replay") {
      // A crowd that comes back has all missed something: the first of it goes with the answer. Without, it is asked for.
      const page = await this.readInbox({ userId, epoch: opened.head.epoch, after: resume.from }).catch(
        () => undefined,
      );
      return { inbox: opened.head, ...resume, delivered, ...(page && { page }) };
    }
    if (resume !== undefined) return { inbox: opened.head, ...resume, delivered };
    // A device that the server knows nothing of: new, or forgotten. It needs a SYNC if there is anything to have.
    const something = opened.head.seq > 0 || (await this.hasConversation(userId, deadline));
    return { inbox: opened.head, resume: something ? "resync" : "none", from: opened.head.seq, delivered };
  }

  /** Events that the device has beyond its stored cursor: their receipts were lost. */
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

  private async check(sessions: SessionCheck["sessions"], deadline: number): Promise<SessionVerdicts> {
    const credentials = await orBusy(this.options.credentials(sessions, deadline));
    return sessions.map((session, i) => refusalOf(session, credentials[i]) ?? null);
  }

  private async hasConversation(userId: string, deadline: number): Promise<boolean> {
    return orBusy(this.options.hasConversation(userId, deadline));
  }

  private async close({ userId, endedAt, ...session }: SessionClose): Promise<null> {
    this.options.saw(userId, session.deviceId, endedAt);
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

  private async largeGroups(userIds: string[], deadline: number): Promise<LargeGroupsOf> {
    return [...(await orBusy(this.options.largeGroupsOf(userIds, deadline)))];
  }
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

/**
 * Looks up the credentials of connecting devices. A crowd connects at the same moment: single sessions are looked up
 * together. A question about many sessions is one statement anyway.
 */

interface Device {
  userId: string;
  deviceId: string;
}

/** @returns as `CredentialQueries.of`; throws Unanswered as well */
export function shareCredentials(
  credentials: Pick<CredentialQueries, "of">,
  monotonic: () => number,
): CredentialQueries["of"] {
  const questions = new GroupedQuestions<Device, Credentials>({
    idOf,
    monotonic,
    ask: async (devices) => {
      const found = await credentials.of(devices);
      return new Map(devices.flatMap((device, i) => (found[i] === undefined ? [] : [[idOf(device), found[i]]])));
    },
  });
  return async (sessions, deadline) => {
    const [only, ...others] = sessions;
    if (only === undefined || others.length > 0) return credentials.of(sessions, deadline);
    return [await questions.ask(only)];
  };
}

const idOf = ({ userId, deviceId }: Device) => `${userId} ${deviceId}`;
