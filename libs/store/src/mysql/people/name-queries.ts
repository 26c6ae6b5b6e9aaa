/**
 * The search for users, by the beginnings of their ids and of the words of their names.
 *
 * Each search entry of a user is a row (see folding.ts), which every change of the user writes in the same transaction. Only
 * users who can receive messages have rows, so the cost of a page depends on its length alone. The database marks users whom
 * an older build or an operator by hand has created, and `fileNew` writes their rows.
 */
import type { Sql, Statements } from "../sql";
import { entriesOf, fold } from "./folding";

export interface NamedUser {
  userId: string;
  displayName: string;
}

/** The entry by which a user was found: the list continues after it. */
export interface FoundPlace {
  entry: string;
  userId: string;
}

export interface FoundPage {
  users: NamedUser[];
  /** The last checked entry; absent: there are no more. */
  next?: FoundPlace;
}

interface EntryRow extends FoundPlace {
  displayName: string;
}

/**
 * Number of entries read together, and maximum number of reads for one page: for a name like `Xa Xa Xa` all but one are skipped.
 */
const LOOKED_AT = 200;
const MOST_LOOKS = 5;

export class NameQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * Finds users who can receive messages and whose id, or whose name from any of its words on, begins with the text; each user once, by entry.
   * @param text the typed text
   * @returns at most `limit` users; fewer may come before the end
   */
  async search(text: string, limit: number, after: FoundPlace = { entry: "", userId: "" }): Promise<FoundPage> {
    const beginning = fold(text);
    if (beginning === "") return { users: [] };
    const users: NamedUser[] = [];
    let place = after;
    for (let look = 0; look < MOST_LOOKS; look++) {
      const rows = await this.entries(beginning, place);
      for (const { entry, userId, displayName } of rows) {
        if (users.length === limit) return { users, next: place };
        place = { entry, userId };
        if (isFoundBy(entry, beginning, userId, displayName)) users.push({ userId, displayName });
      }
      if (rows.length < LOOKED_AT) return { users };
    }
    return { users, next: place };
  }

  private entries(beginning: string, after: FoundPlace): Promise<EntryRow[]> {
    // After folding, the text contains no character with a meaning in LIKE.
    const prefix = `${beginning}%`;
    const rowsWhere = (where: string) =>
      `(SELECT n.entry AS entry, n.user_id AS userId, u.display_name AS displayName
        FROM user_names n STRAIGHT_JOIN users u ON u.id = n.user_id
        WHERE n.entry LIKE ? AND ${where} AND u.status = 'normal' AND u.deleted_at IS NULL
        ORDER BY n.entry, n.user_id LIMIT ${LOOKED_AT})`;
    return this.sql.rows<EntryRow>(
      `${rowsWhere("n.entry = ? AND n.user_id > ?")} UNION ALL ${rowsWhere("n.entry > ?")} ORDER BY entry, userId LIMIT ${LOOKED_AT}`,
      [prefix, after.entry, after.userId, prefix, after.entry],
    );
  }

  /** Writes the entries of users whom the search does not find yet. @returns number of users; 0: all are done */
  async fileNew(limit: number): Promise<number> {
    return this.sql.transaction(async (statements) => {
      const rows = await statements.rows<{ id: string }>(
        "SELECT id FROM users WHERE is_filed = 0 ORDER BY id LIMIT ? FOR UPDATE",
        [limit],
      );
      const userIds = rows.map(({ id }) => id);
      if (userIds.length > 0) await fileUsers(statements, userIds);
      return userIds.length;
    });
  }
}

/** Writes the present search entries of users; their rows are locked. @param userIds not empty */
export async function fileUsers(statements: Statements, userIds: string[]): Promise<void> {
  const users = await statements.rows<{ id: string; display_name: string }>(
    "SELECT id, display_name FROM users WHERE id IN (?) AND status = 'normal' AND deleted_at IS NULL",
    [userIds],
  );
  const entries = users.flatMap(({ id, display_name }) => entriesOf(id, display_name).map((entry) => [entry, id]));
  await statements.run("DELETE FROM user_names WHERE user_id IN (?)", [userIds]);
  if (entries.length > 0) await statements.run("INSERT INTO user_names (entry, user_id) VALUES ?", [entries]);
  await statements.run("UPDATE users SET is_filed = 1 WHERE id IN (?)", [userIds]);
}

/** Whether this entry is the one by which the user is shown, among their entries with this beginning. */
function isFoundBy(entry: string, beginning: string, userId: string, displayName: string): boolean {
  return entriesOf(userId, displayName).find((one) => one.startsWith(beginning)) === entry;
}
