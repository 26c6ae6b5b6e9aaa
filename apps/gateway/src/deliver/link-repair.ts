/**
 * A link from a worker began, jumped or fell silent: pushes may be lost. The heads of all users' inboxes are asked
 * for, and whoever lacks something has it fetched. One repair serves all breaks of two seconds.
 */
import { PacedJob } from "@carillon/base";
import { ask, type Bus, type Heads, type HeadsRead, subjects } from "@carillon/bus";
import type { UserRegistry } from "../session/user-registry";

const AT_MOST_EVERY_MS = 2_000;
const USERS_PER_QUESTION = 500;

export function newLinkRepair(bus: Bus, users: UserRegistry): PacedJob {
  return new PacedJob(
    () => repair(bus, users),
    AT_MOST_EVERY_MS,
    (err) => bus.logger.warn({ err }, "the heads of the inboxes are asked for again"),
  );
}

async function repair(bus: Bus, users: UserRegistry): Promise<void> {
  const { userIds } = users;
  for (let at = 0; at < userIds.length; at += USERS_PER_QUESTION) {
    const question = { userIds: userIds.slice(at, at + USERS_PER_QUESTION) };
    const heads = await ask<HeadsRead, Heads>(bus, subjects.heads, question);
    for (const [userId, epoch, seq] of heads) users.user(userId)?.inbox.expectIfOpen(epoch, seq);
  }
}
