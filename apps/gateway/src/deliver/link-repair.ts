/**
 * A link from a worker began, jumped or fell silent: pushes may be lost. The heads of all users' inboxes are asked
 * for, and whoever lacks something has it fetched. One repair serves all breaks of two seconds.
 */
import { sleep } from "@carillon/base";
import { ask, type Bus, type Heads, type HeadsRead, subjects } from "@carillon/bus";
import type { UserRegistry } from "../session/user-registry";

const AT_MOST_EVERY_MS = 2_000;
const USERS_PER_QUESTION = 500;

export class LinkRepair {
  private wanted = false;
  private running = false;
  private readonly stopping = new AbortController();

  constructor(
    private readonly bus: Bus,
    private readonly users: UserRegistry,
  ) {}

  request(): void {
    this.wanted = true;
    if (!this.running) void this.run();
  }

  stop(): void {
    this.stopping.abort();
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.wanted && !this.stopping.signal.aborted) {
      this.wanted = false;
      await this.repair().catch((err: Error) => {
        this.bus.logger.warn({ err }, "the heads of the inboxes are asked for again");
        this.wanted = true;
      });
      await sleep(AT_MOST_EVERY_MS, this.stopping.signal);
    }
    this.running = false;
  }

  private async repair(): Promise<void> {
    const userIds = this.users.userIds;
    for (let at = 0; at < userIds.length; at += USERS_PER_QUESTION) {
      const question = { userIds: userIds.slice(at, at + USERS_PER_QUESTION) };
      const heads = await ask<HeadsRead, Heads>(this.bus, subjects.heads, question);
      for (const [userId, epoch, seq] of heads) this.users.user(userId)?.inbox.expectIfOpen(epoch, seq);
    }
  }
}
