/**
 * Continues work that an api has begun and not finished, because it died or an owner did not answer: it tells owners of changes,
 * and ends the relations, invitations and memberships of users who have deleted their accounts.
 */
import { groupIdOf } from "@carillon/protocol";
import type { ApiParts } from "../parts";
import { depart } from "../subjects/groups/departure";

export const RELAY_EVERY_MS = 2_000;
/** The process that committed a change tells it at once by itself. */
const PATIENCE_MS = 3_000;
const AT_ONCE = 20;

/** @throws the first failure, after all the rest was done: an owner that is away delays no other */
export async function relayGroups(api: ApiParts, signal: AbortSignal): Promise<void> {
  const { groups, owners, clock } = api;
  const failures: unknown[] = [];
  const each = async (items: string[], work: (item: string) => Promise<void>) => {
    const results = await Promise.allSettled(items.map(work));
    failures.push(...results.flatMap((result) => (result.status === "rejected" ? [result.reason] : [])));
  };
  // An owed event may be in the log already and only not archived: then the owner has nothing to do.
  await inPages(
    (after) => groups.owed(clock.now() - PATIENCE_MS, AT_ONCE, after),
    (page) => each(page, (conversationId) => owners.groupChanged(groupIdOf(conversationId)!)),
    signal,
  );
  await inPages(
    (after) => groups.departures(AT_ONCE, after),
    (page) => each(page, (userId) => depart(api, userId)),
    signal,
  );
  if (failures.length > 0) throw failures[0];
}

async function inPages(
  read: (after: string) => Promise<string[]>,
  work: (page: string[]) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (let after: string | undefined = ""; after !== undefined && !signal.aborted; ) {
    const page: string[] = await read(after);
    await work(page);
    after = page.length < AT_ONCE ? undefined : page.at(-1);
  }
}
