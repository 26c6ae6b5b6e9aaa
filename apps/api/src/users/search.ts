/** The pages of the search for people. */
import type { FoundPlace, NamedUser, NameQueries } from "@carillon/store";
import { readCursor, writeCursor } from "../http/cursor";

/**
 * @param text as it was typed
 * @throws CarillonError BAD_PAYLOAD for a cursor of another list
 */
export async function searchPage(
  names: Pick<NameQueries, "search">,
  text: string,
  limit: number,
  cursor: string | undefined,
): Promise<{ items: NamedUser[]; cursor?: string }> {
  const { users, next } = await names.search(text, limit, cursor === undefined ? undefined : readPlace(cursor));
  return { items: users, ...(next === undefined ? {} : { cursor: writePlace(next) }) };
}

/** What stands in a cursor is ASCII, and names are not. */
const writePlace = ({ entry, userId }: FoundPlace) =>
  writeCursor("users", [Buffer.from(entry).toString("base64url"), userId]);

function readPlace(cursor: string): FoundPlace {
  const [entry, userId] = readCursor("users", ["string", "string"], cursor) as [string, string];
  return { entry: Buffer.from(entry, "base64url").toString(), userId };
}
