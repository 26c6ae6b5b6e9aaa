/**
 * Runs the repairs of the table in causes.ts. Here are also the two repairs that compare what the gateway has with what
 * workers know: how far each inbox is, and whether each session may stay.
 */
import { PacedJob } from "@carillon/base";
import { ask, type Bus, type DownlinkReceiverOptions, headsRead, sessionCheck } from "@carillon/bus";
import type { LargeGroups } from "../groups/large-groups";
import type { LocalPresence } from "../presence/local-presence";
import type { Watches } from "../presence/watches";
import { closeCodeOf } from "../session/open-session";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";
import { CAUSES, type Cause, causeOf, PACES, type Repair } from "./causes";
import type { NoticeRepair } from "./devices";
import type { Renewal } from "./registrations";

export interface RecoveryOptions {
  bus: Bus;
  users: UserRegistry;
  groups: Pick<LargeGroups, "markStale">;
  noticeRepair: NoticeRepair;
  localPresence: Pick<LocalPresence, "publishAgain">;
  watches: Pick<Watches, "markStale">;
  renewal: Renewal;
}

export class Recovery {
  private readonly inboxRepair: PacedJob;
  private readonly recheck: PacedJob;

  constructor(private readonly options: RecoveryOptions) {
    const { bus, users } = options;
    this.inboxRepair = newInboxRepair(bus, users);
    this.recheck = newRecheck(bus, users);
  }

  /** Asks again for everything that may be lost by this cause. Each repair keeps its own pace. */
  after(cause: Cause): void {
    for (const repair of CAUSES[cause]) this.request(repair);
  }

  /** A link of the downlink began, jumped or is silent. */
  afterBreak(...[sender, why]: Parameters<DownlinkReceiverOptions["onBreak"]>): void {
    const cause = causeOf(sender, why);
    const repairs = cause === undefined ? [] : CAUSES[cause];
    this.options.bus.logger.info({ sender, why, repairs }, "a link broke, the gateway asks for what may be lost");
    if (cause !== undefined) this.after(cause);
  }

  stop(): void {
    for (const part of [this.inboxRepair, this.recheck, this.options.noticeRepair, this.options.renewal]) part.stop();
  }

  private request(repair: Repair): void {
    const { users, groups, noticeRepair, localPresence, watches, renewal } = this.options;
    switch (repair) {
      case "inboxes":
        return this.inboxRepair.request();
      case "groups":
        return groups.markStale();
      case "sessions":
        return this.recheck.request();
      case "marks":
        return noticeRepair.request();
      case "presence":
        localPresence.publishAgain();
        return watches.markStale();
      case "registrations":
        return renewal.request(users.userIds);
    }
  }
}

/** Asks for the heads of the inboxes of all users here; an inbox that is behind its head fetches the missing events. */
function newInboxRepair(bus: Bus, users: UserRegistry): PacedJob {
  return new PacedJob(
    () => compareHeads(bus, users),
    PACES.inboxes.everyMs,
    (err) => bus.logger.warn({ err }, "no worker told the heads of the inboxes, the gateway asks again"),
  );
}

async function compareHeads(bus: Bus, users: UserRegistry): Promise<void> {
  const { userIds } = users;
  const { usersPerQuestion } = PACES.inboxes;
  for (let at = 0; at < userIds.length; at += usersPerQuestion) {
    const question = { userIds: userIds.slice(at, at + usersPerQuestion) };
    const heads = await ask(bus, headsRead, question);
    for (const [userId, inboxEpoch, seq] of heads) users.user(userId)?.inbox.expectIfOpen(inboxEpoch, seq);
  }
}

/**
 * Asks whether the sessions here may stay, and closes those whose tokens are void according to MySQL.
 *
 * An api sends an order to close over its link to each gateway, and waits for the confirmation. A gateway that was cut off
 * did not receive the order, and an api that died had no time to send it. The gateway notices both: its own connection is
 * back, or the link begins, jumps or is silent.
 */
function newRecheck(bus: Bus, users: UserRegistry): PacedJob {
  return new PacedJob(
    () => recheck(bus, users),
    PACES.sessions.everyMs,
    (err) => bus.logger.warn({ err }, "no worker told whether the sessions may stay, the gateway asks again"),
  );
}

async function recheck(bus: Bus, users: UserRegistry): Promise<void> {
  // Also sessions that are being opened: their worker may have read the tokens before they were revoked.
  const sessions = [...users.sessions.values()].filter(({ identity }) => identity !== undefined);
  const { sessionsPerQuestion } = PACES.sessions;
  for (let at = 0; at < sessions.length; at += sessionsPerQuestion) {
    const part = sessions.slice(at, at + sessionsPerQuestion);
    const asked = part.map(({ identity }) => identity!);
    const verdicts = await ask(bus, sessionCheck, { sessions: asked });
    for (const [index, verdict] of verdicts.entries()) {
      const session = part[index]!;
      // The client may have sent a new token meanwhile; the verdict is about the former one.
      if (verdict === null || session.identity !== asked[index]) continue;
      bus.logger.info({ ...describe(session), verdict }, "a session is closed that an order to close did not reach");
      session.kick(closeCodeOf(verdict));
    }
  }
}

function describe({ number, identity }: Session) {
  return { connection: number, userId: identity?.userId, deviceId: identity?.deviceId };
}
