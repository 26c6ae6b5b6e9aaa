/**
 * Whether the sessions that are here may still be: asked of the workers whenever an order to close may be lost.
 *
 * The api sends such orders over its link to each gateway, and waits for our word. A gateway that was cut off has not
 * heard them, and an api that died had no time to send them. Both show: as a reconnect of our own, or as a link that
 * begins, jumps or is silent. Then every session is compared with what MySQL says about its tokens.
 */
import { PacedJob } from "@carillon/base";
import { ask, type Bus, type SessionCheck, type SessionVerdicts, subjects } from "@carillon/bus";
import { closeCodeOf } from "./open-session";
import type { Session } from "./session";
import type { UserRegistry } from "./user-registry";

const AT_MOST_EVERY_MS = 2_000;
const SESSIONS_PER_QUESTION = 500;

export function newRecheck(bus: Bus, users: UserRegistry): PacedJob {
  return new PacedJob(
    () => recheck(bus, users),
    AT_MOST_EVERY_MS,
    (err) => bus.logger.warn({ err }, "whether the sessions may stay is asked again"),
  );
}

async function recheck(bus: Bus, users: UserRegistry): Promise<void> {
  // Those that are being opened, too: their worker may have read the tokens before they were revoked.
  const sessions = [...users.sessions.values()].filter(({ identity }) => identity !== undefined);
  for (let at = 0; at < sessions.length; at += SESSIONS_PER_QUESTION) {
    const part = sessions.slice(at, at + SESSIONS_PER_QUESTION);
    const asked = part.map(({ identity }) => identity!);
    const verdicts = await ask<SessionCheck, SessionVerdicts>(bus, subjects.sessionCheck, { sessions: asked });
    for (const [index, verdict] of verdicts.entries()) {
      const session = part[index]!;
      // A token that came meanwhile is not the one that was asked about.
      if (verdict === null || session.identity !== asked[index]) continue;
      bus.logger.info({ ...describe(session), verdict }, "a session is closed that an order did not reach");
      session.kick(closeCodeOf(verdict));
    }
  }
}

function describe({ number, identity }: Session) {
  return { connection: number, userId: identity?.userId, deviceId: identity?.deviceId };
}
