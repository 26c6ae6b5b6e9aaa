/** Faults that stop deliveries although Redis answers: one user's data, or a Redis that accepts no writes. */
import { Redis } from "ioredis";
import { choose, type Fault, type Stage } from "./fault";

const KEPT = "kept-by-the-fault";

async function onRedis<T>({ cluster }: Stage, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(cluster.servers.redis!.url, { maxRetriesPerRequest: 1 });
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

/** The sessions of one user are no hash: the script that fills inboxes fails for every round with an event of theirs. */
export const poisonInbox: Fault = {
  async strike(stage, target) {
    return onRedis(stage, async (redis) => {
      const key = choose((await redis.keys("{u:*}:sessions")).sort(), target);
      if (key === undefined) return undefined;
      await redis.rename(key, `${key}:${KEPT}`);
      await redis.set(key, "no hash");
      const heal = () =>
        onRedis(stage, async (again) => {
          await again.del(key);
          await again.rename(`${key}:${KEPT}`, key).catch(() => {
            // Redis was wiped meanwhile: the gateways register again.
          });
        });
      return { on: `redis, ${key}`, heal };
    });
  },
};

/** Redis is full and refuses every write; reads continue. */
export const fillRedis: Fault = {
  async strike(stage) {
    return onRedis(stage, async (redis) => {
      const [, before] = (await redis.config("GET", "maxmemory")) as [string, string];
      await redis.config("SET", "maxmemory", "1mb");
      const heal = () => onRedis(stage, (again) => again.config("SET", "maxmemory", before));
      return { on: "redis, full", heal };
    });
  },
};
