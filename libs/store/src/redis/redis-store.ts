/**
 * The connection to Redis and its scripts. Redis holds no only copy: when Redis is away, calls fail after a few seconds, and
 * their callers continue from the log or answer BUSY.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Logger, readTls, type Settings } from "@carillon/base/node";
import { Redis } from "ioredis";

const ANSWER_MS = 3_000;

/** Scripts of lua/, by name; marked scripts begin with lua/run.lua. */
const SCRIPTS = {
  deliver: true,
  "session-open": true,
  "session-close": false,
  received: false,
  erase: false,
  clear: false,
  "read-inbox": true,
  heads: true,
  recent: false,
  marks: false,
} as const;

export type ScriptName = keyof typeof SCRIPTS;

/** First words of the errors with which Redis refuses every call at the moment. */
const FOR_NOW =
  /^(OOM|MISCONF|READONLY|NOREPLICAS|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOSCRIPT|NOAUTH|NOPERM|WRONGPASS|MOVED|ASK)\b/;

/** A script failed because of the data that it met: it will fail again. */
export class RedisRefusal extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = "RedisRefusal";
  }
}

type Argument = string | number | Buffer;

export class RedisStore {
  private constructor(private readonly redis: Redis) {}

  /** Connects. It waits for Redis at most `waitMs`, so that a process can start while Redis is away. */
  static async connect(settings: Settings["redis"], logger: Logger, waitMs = 5_000): Promise<RedisStore> {
    const tls = readTls("redis.tls", settings.tls);
    const redis = new Redis(settings.url, {
      // `rediss://` alone means the same, with the authorities that Node.js trusts.
      ...(tls === undefined ? {} : { tls }),
      lazyConnect: true,
      // The name and version of the library are of no use, and need a right of their own.
      disableClientInfo: true,
      commandTimeout: ANSWER_MS,
      maxRetriesPerRequest: null,
      retryStrategy: (tries) => Math.min(50 * tries, 1_000),
    });
    logChanges(redis, logger);
    const lua = (name: string) => readFileSync(join(__dirname, "..", "..", "lua", `${name}.lua`), "utf8");
    for (const [name, needsLife] of Object.entries(SCRIPTS)) {
      redis.defineCommand(name, { lua: needsLife ? `${lua("run")}\n${lua(name)}` : lua(name) });
    }
    redis.connect().catch(() => {
      // The client keeps trying by itself; every error was logged above.
    });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      redis.once("ready", () => {
        clearTimeout(timer);
        resolve();
      });
    });
    if (redis.status === "ready") await refuseCluster(redis);
    // Redis was away, or another Redis answers now.
    redis.on("ready", () => {
      refuseCluster(redis).catch((err: Error) => logger.error({ err }, "inboxes cannot be filled"));
    });
    return new RedisStore(redis);
  }

  /** Runs a script; texts in its answer are Buffers. @throws RedisRefusal, or an error of the connection */
  async script(name: ScriptName, keys: string[], args: Argument[]): Promise<unknown> {
    const commands = this.redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    return commands[`${name}Buffer`]!(keys.length, ...keys, ...args).catch((error: Error) => {
      const isRefusal = error.name === "ReplyError" && !FOR_NOW.test(error.message);
      throw isRefusal ? new RedisRefusal(error) : error;
    });
  }

  async get(key: string): Promise<string | null> {
    return this.redis.get(key);
  }

  async set(key: string, value: string | number): Promise<void> {
    await this.redis.set(key, value);
  }

  async setFor(key: string, value: string, seconds: number): Promise<void> {
    await this.redis.set(key, value, "EX", seconds);
  }

  /** Returns the value and removes it: of two callers one gets it. */
  async take(key: string): Promise<string | null> {
    return this.redis.getdel(key);
  }

  async hashValues(key: string): Promise<Record<string, string>> {
    return this.redis.hgetall(key);
  }

  /** The same for several hashes in one round trip. */
  async hashes(names: string[]): Promise<Record<string, string>[]> {
    const pipeline = this.redis.pipeline();
    for (const name of names) pipeline.hgetall(name);
    return (await pipeline.exec())!.map(([error, fields]) => {
      if (error !== null) throw error;
      return fields as Record<string, string>;
    });
  }

  /**
   * Returns the members of a sorted set with their scores, ascending; all, or those with scores in a range, both ends
   * inclusive.
   */
  async scored(
    key: string,
    [from, to] = ["-inf", "+inf"] as [string | number, string | number],
  ): Promise<[score: number, member: Buffer][]> {
    const flat = await this.redis.zrangebyscoreBuffer(key, from, to, "WITHSCORES");
    const pairs: [number, Buffer][] = [];
    for (let i = 0; i < flat.length; i += 2) pairs.push([Number(flat[i + 1]!.toString()), flat[i]!]);
    return pairs;
  }

  /** Sets a field of a hash; the hash expires after this time without a change. */
  async setHashField(key: string, field: string, value: string | number, expirySeconds: number): Promise<void> {
    await this.redis.pipeline().hset(key, field, value).expire(key, expirySeconds).exec();
  }

  /** Several hash look-ups in one round trip. */
  async hashFieldsOfMany(wanted: { key: string; fields: string[] }[]): Promise<(string | null)[][]> {
    const pipeline = this.redis.pipeline();
    for (const { key, fields } of wanted) pipeline.hmget(key, ...fields);
    return (await pipeline.exec())!.map(([error, values]) => {
      if (error !== null) throw error;
      return values as (string | null)[];
    });
  }

  /** The values of several hashes in one round trip. */
  async hashValuesOfMany(names: string[]): Promise<string[][]> {
    const pipeline = this.redis.pipeline();
    for (const name of names) pipeline.hvals(name);
    return (await pipeline.exec())!.map(([error, values]) => {
      if (error !== null) throw error;
      return values as string[];
    });
  }

  /** @returns number of fields that existed */
  async deleteFields(key: string, fields: string[]): Promise<number> {
    return this.redis.hdel(key, ...fields);
  }

  async delete(...keys: string[]): Promise<void> {
    await this.redis.del(...keys);
  }

  /** Returns the life of Redis: it changes when Redis restarts, or when another Redis answers. */
  async life(): Promise<string> {
    return /run_id:(\w+)/.exec(await this.redis.info("server"))?.[1] ?? "";
  }

  /** Returns INFO for the doctor and the health check; it rejects when Redis does not answer. */
  async info(): Promise<Record<string, string>> {
    const text = await this.redis.info();
    return Object.fromEntries(
      text
        .split("\r\n")
        .filter((line) => line.includes(":"))
        .map((line) => line.split(/:(.*)/s).slice(0, 2) as [string, string]),
    );
  }

  /** Returns the server's clock, ms since the Unix epoch. */
  async time(): Promise<number> {
    const [seconds, micros] = (await this.redis.time()).map(Number) as [number, number];
    return seconds * 1_000 + Math.floor(micros / 1_000);
  }

  async close(): Promise<void> {
    await this.redis.quit().catch(() => this.redis.disconnect());
  }
}

/** Carillon does not support this kind of Redis. */
class RedisUnsupported extends Error {
  constructor(why: string) {
    super(`this Redis cannot be used: ${why}`);
    this.name = "RedisUnsupported";
  }
}

/** Refuses a Redis Cluster: one script call fills the inboxes of many users, whose keys lie on different nodes there. */
async function refuseCluster(redis: Redis): Promise<void> {
  const isCluster = /cluster_enabled:1/.test(await redis.info("cluster").catch(() => ""));
  if (!isCluster) return;
  redis.disconnect();
  throw new RedisUnsupported("it is a Redis Cluster, which is not supported yet; redis.url has to name a single Redis");
}

/** Logs one line when Redis goes away and one when it is back, instead of one for each attempt. */
function logChanges(redis: Redis, logger: Logger): void {
  let isAway = false;
  redis.on("error", (err) => {
    if (!isAway) logger.warn({ err }, "Redis is away");
    isAway = true;
  });
  redis.on("ready", () => {
    if (isAway) logger.info("Redis is back");
    isAway = false;
  });
}

/** The same bytes as a Buffer, without a copy; ioredis sends a Buffer as binary. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
