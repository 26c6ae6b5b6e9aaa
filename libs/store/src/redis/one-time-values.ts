/** Values that can be taken once, within a time. Of a name only a digest is stored: who reads Redis cannot take the value. */
import { createHash } from "node:crypto";
import { keys } from "./keys";
import type { RedisStore } from "./redis-store";

export class OneTimeValues {
  /** @param kind what the values are for: a name of one kind is none of another */
  constructor(
    private readonly redis: RedisStore,
    private readonly kind: string,
  ) {}

  async put(name: string, value: object, seconds: number): Promise<void> {
    await this.redis.setFor(this.key(name), JSON.stringify(value), seconds);
  }

  /** @returns undefined when there is none of this name, or it was taken before */
  async take<T>(name: string): Promise<T | undefined> {
    const text = await this.redis.take(this.key(name));
    return text === null ? undefined : (JSON.parse(text) as T);
  }

  private key(name: string): string {
    return keys.oneTime(this.kind, createHash("sha256").update(name).digest("base64url"));
  }
}
