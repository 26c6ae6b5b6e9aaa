/** The account with which a process logs in to the stores. One settings file serves all roles, so each process takes its own. */
import { type AccountRole, accountOf } from "../../roles";
import { SettingsError } from "../settings-error";
import type { Settings } from "../settings-schema";

export type StoreSettings = Pick<Settings, "nats" | "redis" | "mysql">;

/**
 * Returns the settings of the stores with the account of a role; without such an account they stay as they are.
 * @throws SettingsError when an address is no address
 */
export function withAccount(settings: StoreSettings & Pick<Settings, "accounts">, role: AccountRole): StoreSettings {
  const { nats, redis, mysql, accounts } = settings;
  const { [role]: password } = accounts;
  if (password === undefined) return { nats, redis, mysql };
  const user = accountOf(role);
  return {
    nats: { ...nats, user, password },
    redis: { ...redis, url: logIn("redis.url", redis.url, user, password) },
    mysql: { ...mysql, url: logIn("mysql.url", mysql.url, user, password) },
  };
}

function logIn(setting: string, address: string, user: string, password: string): string {
  if (!URL.canParse(address)) throw new SettingsError(`${setting}: this is no address`);
  const url = new URL(address);
  Object.assign(url, { username: user, password });
  return url.href;
}
