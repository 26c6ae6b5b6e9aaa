/**
 * The rights in the words of each server. A password consists of letters, digits, `_` and `-` (the settings refuse any other), so
 * that it means the same in all three.
 */
import { ACCOUNT_ROLES, type AccountRole, accountOf, type RoleName } from "@carillon/base";
import { mysqlRights } from "./mysql-rights";
import { natsRights } from "./nats-rights";
import { redisRights } from "./redis-rights";

/** The password of each account. */
export type Passwords = Record<AccountRole, string>;

/** Keeps the passwords that are known, and makes the others. */
export function completed(known: Partial<Passwords>, newPassword: () => string): Passwords {
  return Object.fromEntries(ACCOUNT_ROLES.map((role) => [role, known[role] ?? newPassword()])) as Passwords;
}

/** Lines of `authorization { users = [ ... ] }`, for the configuration of a NATS server. */
export function natsUsers(passwords: Passwords, partitions: number): string[] {
  return ACCOUNT_ROLES.flatMap((role) => {
    const { publish, subscribe } = natsRights(role, partitions);
    return [
      "    {",
      `      user: "${accountOf(role)}", password: "${passwords[role]}"`,
      "      permissions {",
      ...natsList("publish", publish),
      ...natsList("subscribe", subscribe),
      "      }",
      "    }",
    ];
  });
}

function natsList(name: string, subjects: string[]): string[] {
  return [`        ${name}: [`, ...[...new Set(subjects)].map((subject) => `          "${subject}"`), "        ]"];
}

/** Lines of an ACL file of Redis; a configuration of Redis takes the same. */
export function redisUsers(passwords: Passwords): string[] {
  return ACCOUNT_ROLES.flatMap((role) => {
    const rights = redisRights(role);
    if (rights === undefined) return [];
    const { keys, readKeys, commands } = rights;
    const rules = [
      ...["reset", "on", `>${passwords[role]}`],
      ...keys.map((pattern) => `~${pattern}`),
      ...readKeys.map((pattern) => `%R~${pattern}`),
      ...commands.map((command) => `+${command}`),
    ];
    return [`user ${accountOf(role)} ${rules.join(" ")}`];
  });
}

/** The roles that use MySQL. */
const MYSQL_ROLES: readonly RoleName[] = ["worker", "archiver", "api"];

/** Statements for an administrator of the server: they create the accounts, and give the operator the database. */
export function mysqlUsers(passwords: Passwords, database: string): string[] {
  const roles: AccountRole[] = [...MYSQL_ROLES, "operator"];
  return [
    `CREATE DATABASE IF NOT EXISTS \`${database}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    ...roles.flatMap((role) => [
      `CREATE USER IF NOT EXISTS ${mysqlName(role)} IDENTIFIED BY '${passwords[role]}'`,
      `ALTER USER ${mysqlName(role)} IDENTIFIED BY '${passwords[role]}'`,
    ]),
    `GRANT ALL PRIVILEGES ON \`${database}\`.* TO ${mysqlName("operator")} WITH GRANT OPTION`,
  ];
}

/**
 * Statements for the operator, on a connection to the database: they give these roles their rights on its tables. The tables
 * must exist.
 */
export function mysqlGrants(roles: readonly AccountRole[]): string[] {
  return MYSQL_ROLES.filter((role) => roles.includes(role)).flatMap((role) =>
    Object.entries(mysqlRights(role)).map(
      ([table, rights]) => `GRANT ${rights.join(", ")} ON ${table} TO ${mysqlName(role)}`,
    ),
  );
}

const mysqlName = (role: AccountRole) => `'${accountOf(role)}'@'%'`;
