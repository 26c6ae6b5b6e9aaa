import { ask, type Bus, type InboxPage, type InboxRead, subjects } from "@carillon/bus";

/** Reads a user's inbox above a number, from the workers: the gateway itself never talks to Redis. */
export function readInbox(bus: Bus) {
  return (userId: string, epoch: string, after: number): Promise<InboxPage> =>
    ask<InboxRead, InboxPage>(bus, subjects.inbox, { userId, epoch, after });
}
