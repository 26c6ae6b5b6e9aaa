/**
 * Relations, as people change them: decided and written in one transaction; then every worker forgets what it knew
 * of the pair, the devices of those whose rows changed are told, and only then is the change answered.
 */
import type { Budgets } from "@carillon/base";
import type { ChangeTeller } from "@carillon/bus";
import { CarillonError, Command, encodeFrame, isUserId } from "@carillon/protocol";
import type { Relation, RelationQueries, UserQueries } from "@carillon/store";
import type { CalmNotices } from "../calm-notices";
import { endings, type RelationLimits, type Rule } from "./rules";

export interface RelationContext {
  relations: RelationQueries;
  people: Pick<UserQueries, "names">;
  changes: Pick<ChangeTeller, "forget" | "notify">;
  calmNotices: CalmNotices;
  relationLimits: RelationLimits;
  /** How often each user may ask each other one for friendship. */
  requestsOfPairs: Budgets;
  /** Devices of a user that are connected at this moment, as far as is known. */
  connectedDevices(userId: string): Promise<string[]>;
  now(): number;
}

/** A relation with the name that is shown. */
export interface NamedRelation extends Relation {
  displayName: string;
}

export interface ChangedRelation {
  relation: NamedRelation;
  /** Workers that have not confirmed; they judge messages by what was so before, for 30 s at most. */
  unconfirmed: string[];
}

/** @throws CarillonError BAD_PAYLOAD (oneself), NO_SUCH_USER, what the rule throws; errors of MySQL */
export async function changeRelation(
  context: RelationContext,
  userId: string,
  peerId: string,
  rule: Rule,
): Promise<ChangedRelation> {
  const { relations, changes, people, now, connectedDevices } = context;
  if (userId === peerId) throw new CarillonError("BAD_PAYLOAD", "userId: one has no relation to oneself");
  const known = isUserId(peerId) ? (await people.names([peerId])).get(peerId) : undefined;
  if (known === undefined || (known.isDeleted && !endings.has(rule))) throw new CarillonError("NO_SUCH_USER");
  const forget = () => changes.forget({ pairs: [[userId, peerId]] });
  const isOnline = (await connectedDevices(userId)).length > 0;
  const { own, versions, mattersToWorkers } = await relations
    .change(userId, peerId, now(), rule, isOnline)
    .catch(async (error: unknown) => {
      if (error instanceof CarillonError && error.name === "NOT_FOUND") await forget();
      throw error;
    });
  // Also when nothing was to be changed, or not any more: the api that changed it may have died before it told workers.
  const isSure = versions.length > 0 && !mattersToWorkers;
  const unconfirmed = isSure ? [] : await forget();
  for (const { userId: changed, version } of versions) {
    const notify = () => changes.notify([changed], encodeFrame(Command.CHANGED, 0, { what: "relations", version }));
    // Asking and taking back is what one can do to the other alone, as often as one likes.
    if (changed === userId || mattersToWorkers) notify();
    else context.calmNotices.tell(`${userId} ${peerId}`, notify);
  }
  return { relation: { ...own, displayName: known.displayName }, unconfirmed };
}

/** Requests that are taken back and made again tell the other one each time. @throws CarillonError RATE_LIMITED */
export function limitRequests({ requestsOfPairs }: RelationContext, userId: string, peerId: string): void {
  const retryAfterMs = requestsOfPairs.take(`${userId} ${peerId}`);
  if (retryAfterMs > 0) throw new CarillonError("RATE_LIMITED", undefined, { retryAfterMs });
}

export async function withNames({ people }: RelationContext, found: Relation[]): Promise<NamedRelation[]> {
  const names = await people.names(found.map(({ userId }) => userId));
  return found.map((relation) => ({ ...relation, displayName: names.get(relation.userId)?.displayName ?? "" }));
}
