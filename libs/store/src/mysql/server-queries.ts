/** What the database server says of itself, for people who look whether it is set up right. */
import type { Sql } from "./sql";

export class ServerQueries {
  constructor(private readonly sql: Sql) {}

  /** Variables as our connections see them; one that the server does not know is missing. */
  async variables(names: string[]): Promise<Map<string, string>> {
    const rows = await this.sql.rows<{ Variable_name: string; Value: string }>(
      "SHOW SESSION VARIABLES WHERE Variable_name IN (?)",
      [names],
    );
    return new Map(rows.map(({ Variable_name, Value }) => [Variable_name, Value]));
  }
}
