/** The part of SYNC about relations: what changed above the version that a device has. */
import type { RelationRow } from "@carillon/protocol";
import type { RelationQueries, UserQueries } from "@carillon/store";

export interface RelationChangesContext {
  relations: Pick<RelationQueries, "changedSince" | "standing">;
  people: Pick<UserQueries, "names">;
}

export interface RelationPage {
  rows: RelationRow[];
  /** Changes up to this version are in the rows, or were before. */
  sent: number;
  more: boolean;
  /** All relations of the user, changed or not. */
  count: number;
}

/**
 * @param sent version up to which the device knows all
 * @param version the one that the sync began with: what is later is told by the next
 */
export async function readRelations(
  { relations, people }: RelationChangesContext,
  userId: string,
  sent: number,
  version: number,
  limit: number,
): Promise<RelationPage> {
  const { count } = await relations.standing(userId);
  const found = sent >= version ? [] : await relations.changedSince(userId, sent, limit + 1);
  const page = found.slice(0, limit);
  const names = await people.names(page.map((row) => row.userId));
  const rows = page.map(({ userId: peerId, state, remark, version: changed }) => ({
    userId: peerId,
    state,
    displayName: names.get(peerId)?.displayName ?? "",
    ...(remark === undefined ? {} : { remark }),
    version: changed,
  }));
  const more = found.length > limit;
  return { rows, sent: more ? page.at(-1)!.version : version, more, count };
}
