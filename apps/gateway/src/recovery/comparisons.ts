/**
 * What the gateway compares with workers when messages may be lost: how far each inbox is, and whether each session may
 * stay. All causes within two seconds share one comparison.
 */
import { PacedJob } from "@carillon/base";
import {
  ask,
  type Bus,
  type Heads,
  type HeadsRead,
  type SessionCheck,
  type SessionVerdicts,
  subjects,
} from "@carillon/bus";
import { closeCodeOf } from "../session/open-session";
import type { Session } from "../session/session";
import type { UserRegistry } from "../session/user-registry";
import { PACES } from "./causes";

/** Asks for the heads of the inboxes of all users here; an inbox that is behind its head fetches the missing events. */
export function newInboxRepair(bus: Bus, users: UserRegistry): PacedJob {
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
    const heads = await ask<HeadsRead, Heads>(bus, subjects.heads, question);
    for (const [userId, epoch, seq] of heads) users.user(userId)?.inbox.expectIfOpen(epoch, seq);
  }
}

/**
 * Asks whether the sessions here may stay, and closes those whose tokens are void according to MySQL.
 *
 * An api sends an order to close over its link to each gateway, and waits for the confirmation. A gateway that was cut off
 * did not receive the order, and an api that died had no time to send it. The gateway notices both: its own connection is
 * back, or the link begins, jumps or is silent.
 */
export function newRecheck(bus: Bus, users: UserRegistry): PacedJob {
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
    const verdicts = await ask<SessionCheck, SessionVerdicts>(bus, subjects.sessionCheck, { sessions: asked });
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
