/**
 * The search for people, by the beginnings of their ids and of the words of their names.
 *
 * Under what somebody is found is a row each (see folding.ts), written with every change of a user, in the same
 * transaction. Only who can be written to has rows, so a page costs what it shows, whoever else there is. Users whom an
 * older build or a hand has made are marked by the database, and get their rows from `fileNew`.
 */
import type { Sql, Statements } from "../sql";
import { entriesOf, fold } from "./folding";

export interface NamedUser {
  userId: string;
  displayName: string;
}

/** The entry under which somebody was found: the list goes on behind it. */
export interface FoundPlace {
  entry: string;
  userId: string;
}

export interface FoundPage {
  users: NamedUser[];
  /** Behind the last entry that was looked at; absent: there are no more. */
  next?: FoundPlace;
}

interface EntryRow extends FoundPlace {
  displayName: string;
}

/** Entries that are looked at together, and how often for one page: of a name like `Xa Xa Xa` all but one are passed over. */
const LOOKED_AT = 200;
const MOST_LOOKS = 5;

export class NameQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * Who can be written to and whose id, or whose name from any of its words on, begins so; everybody once, by entry.
   * @param text as it was typed
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
    // Nothing that has a meaning in LIKE is left by folding.
    const prefix = `${beginning}%`;
    const one = (where: string) =>
      `(SELECT n.entry AS entry, n.user_id AS userId, u.display_name AS displayName
        FROM user_names n STRAIGHT_JOIN users u ON u.id = n.user_id
        WHERE n.entry LIKE ? AND ${where} AND u.status = 'normal' AND u.deleted_at IS NULL
        ORDER BY n.entry, n.user_id LIMIT ${LOOKED_AT})`;
    return this.sql.rows<EntryRow>(
      `${one("n.entry = ? AND n.user_id > ?")} UNION ALL ${one("n.entry > ?")} ORDER BY entry, userId LIMIT ${LOOKED_AT}`,
      [prefix, after.entry, after.userId, prefix, after.entry],
    );
  }

  /** Makes users found who are not yet. @returns how many were looked at; 0: all are done */
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

/** Writes under what users are found, as they are now; their rows are locked. @param userIds not empty */
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

/** Whether it is the one of a user's entries with this beginning by which they are shown. */
function isFoundBy(entry: string, beginning: string, userId: string, displayName: string): boolean {
  return entriesOf(userId, displayName).find((one) => one.startsWith(beginning)) === entry;
}
