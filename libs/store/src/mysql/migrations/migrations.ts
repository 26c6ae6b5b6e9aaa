import type { MigrationInterface, QueryRunner } from "typeorm";
import { tables } from "./tables";

/** TypeORM orders migrations by the 13 digits at the end of their names. */
const FIRST_NUMBER = 1_790_000_000_000;

type MigrationClass = new () => MigrationInterface;

/** Every migration in order. */
export const migrations: readonly MigrationClass[] = tables.map(([name, statement], index) =>
  oneStatement(`${name}${FIRST_NUMBER + index}`, statement),
);

/** Names of all migrations that this build knows. */
export const migrationNames: readonly string[] = tables.map(([name], index) => `${name}${FIRST_NUMBER + index}`);

function oneStatement(fullName: string, statement: string): MigrationClass {
  return class implements MigrationInterface {
    readonly name = fullName;

    async up(runner: QueryRunner): Promise<void> {
      await runner.query(statement);
    }

    async down(): Promise<void> {
      throw new Error("there is no way back: restore the backup that was made before the upgrade");
    }
  };
}
