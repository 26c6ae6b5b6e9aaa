/** Reports of the database server about itself, for the checks of its setup. */
import type { Sql } from "./sql";

export class ServerQueries {
  constructor(private readonly sql: Sql) {}

  /** Returns variables with the values in this connection; a variable that the server does not know is missing. */
  async variables(names: string[]): Promise<Map<string, string>> {
    const rows = await this.sql.rows<{ Variable_name: string; Value: string }>(
      "SHOW SESSION VARIABLES WHERE Variable_name IN (?)",
      [names],
    );
    return new Map(rows.map(({ Variable_name, Value }) => [Variable_name, Value]));
  }
}
