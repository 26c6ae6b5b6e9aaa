/**
 * The keys and commands of each role that uses Redis; gateways and archivers do not. A script may do no more than its caller:
 * Redis checks the keys that the call names, and each command of the script.
 */
import type { AccountRole } from "@carillon/base";

export interface RedisRights {
  /** Patterns of keys that the role reads and writes. */
  keys: string[];
  /** Patterns of keys that the role only reads. */
  readKeys: string[];
  /** Commands, in lower case. */
  commands: string[];
}

/** Calls of scripts, and questions about the server. */
const EVERY_CLIENT = ["eval", "evalsha", "info", "time", "ping"];
const READING = ["get", "hgetall", "hget", "hmget", "hvals", "zrange", "zrangebyscore"];

const head = "{u:*}:head";
const inbox = "{u:*}:inbox";
const sessions = "{u:*}:sessions";
const cursors = "{u:*}:cursors";
const recent = "{c:*}:recent";
const cleared = "{c:*}:cleared";
const marks = "{c:*}:marks";
const fanout = "{p:*}:fanout";
const once = "once:*";

const OF_ROLE: Partial<Record<AccountRole, RedisRights>> = {
  worker: {
    keys: [head, inbox, sessions, cursors, recent, marks, fanout],
    readKeys: [],
    commands: [
      ...EVERY_CLIENT,
      ...READING,
      ...["set", "hset", "hdel", "expire", "del", "zadd", "zrem", "zremrangebyscore", "zremrangebyrank"],
    ],
  },
  api: {
    // A question for the head of an inbox begins the inbox again when Redis has lost it.
    keys: [head, inbox, cursors, cleared, once],
    readKeys: [sessions, recent, marks, fanout],
    commands: [...EVERY_CLIENT, ...READING, ...["set", "getdel", "hset", "hdel", "expire", "del", "zadd", "zrem"]],
  },
  operator: {
    // The command line puts an inbox aside that cannot be filled.
    keys: [head, inbox],
    readKeys: [sessions, cursors, recent, cleared, marks, fanout],
    commands: [...EVERY_CLIENT, ...READING, "del", "hset"],
  },
};

/** @returns undefined for a role that does not use Redis */
export function redisRights(role: AccountRole): RedisRights | undefined {
  return OF_ROLE[role];
}
