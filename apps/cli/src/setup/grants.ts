/** What an administrator of the stores applies so that each role has an account: `carillon init --print-grants`. */
import { randomBytes } from "node:crypto";
import { completed, mysqlUsers, natsUsers, type Passwords, redisUsers } from "@carillon/grants";
import type { CliConfig } from "../config";

export interface Grants {
  /** The section `accounts` of `carillon.json`. */
  accounts: Passwords;
  /** Lines of a part of the configuration of NATS. */
  nats: string[];
  /** Lines of an ACL file of Redis. */
  redis: string[];
  /** Statements of SQL, one a line. */
  mysql: string[];
}

/**
 * @param config passwords that it names stay as they are, the others are new
 * @param partitions number of partitions: an account at NATS names the streams of each
 */
export function newGrants({ accounts, mysql }: Pick<CliConfig, "accounts" | "mysql">, partitions: number): Grants {
  const passwords = completed(accounts, () => randomBytes(24).toString("base64url"));
  return {
    accounts: passwords,
    nats: ["authorization {", "  users = [", ...natsUsers(passwords, partitions), "  ]", "}"],
    redis: redisUsers(passwords),
    mysql: mysqlUsers(passwords, databaseOf(mysql.url)).map((statement) => `${statement};`),
  };
}

const databaseOf = (url: string) => decodeURIComponent(new URL(url).pathname.slice(1));

export function describeGrants({ accounts, nats, redis, mysql }: Grants): string {
  const parts: [title: string, lines: string[]][] = [
    ["carillon.json, section accounts (readable only for its owner)", [JSON.stringify({ accounts }, null, 2)]],
    [
      'NATS: save it as carillon-accounts.conf, write `include "carillon-accounts.conf"` into nats.conf, and reload',
      nats,
    ],
    [
      "Redis: append it to the file that aclfile names, and call ACL LOAD; or append it to redis.conf, and restart",
      redis,
    ],
    ["MySQL: run it as an administrator, then run `carillon init`, which gives the accounts their rights", mysql],
  ];
  return parts.map(([title, lines]) => `----- ${title}\n${lines.join("\n")}\n`).join("\n");
}
