import { ACCOUNT_ROLES, accountOf } from "../src";
import { loadSettings, SettingsError, withAccount } from "../src/node";

const PASSWORD = "0123456789abcdef-_AZ";
const stores = {
  CARILLON_NATS_USER: "all",
  CARILLON_NATS_PASSWORD: "power",
  CARILLON_REDIS_URL: "rediss://:power@r:6379/2",
  CARILLON_MYSQL_URL: "mysql://all:power@m:3306/d?ssl=verify",
};

test("a role with an account uses it at all stores, and keeps addresses and options", () => {
  const settings = loadSettings({ ...stores, CARILLON_ACCOUNTS_WORKER: PASSWORD });
  const { nats, redis, mysql } = withAccount(settings, "worker");
  expect(nats).toEqual({ ...settings.nats, user: "carillon-worker", password: PASSWORD });
  expect(redis).toEqual({ ...settings.redis, url: `rediss://carillon-worker:${PASSWORD}@r:6379/2` });
  expect(mysql).toEqual({ ...settings.mysql, url: `mysql://carillon-worker:${PASSWORD}@m:3306/d?ssl=verify` });
});

test("a role without an account uses the stores as the settings name them", () => {
  const settings = loadSettings({ ...stores, CARILLON_ACCOUNTS_WORKER: PASSWORD });
  const { nats, redis, mysql } = settings;
  for (const role of ACCOUNT_ROLES.filter((each) => each !== "worker")) {
    expect(withAccount(settings, role)).toEqual({ nats, redis, mysql });
  }
});

test("each role has a name of its own", () => {
  expect(new Set(ACCOUNT_ROLES.map(accountOf)).size).toBe(ACCOUNT_ROLES.length);
});

test.each(["short", "with'quote-0123456789", 'with"quote-0123456789', "with space 0123456789", "at@sign-0123456789"])(
  "a password that servers could read in different ways is refused: %s",
  (password) => {
    expect(() => loadSettings({ ...stores, CARILLON_ACCOUNTS_API: password })).toThrow(SettingsError);
  },
);

test("an address that is none is named, without its content", () => {
  const settings = loadSettings({ CARILLON_REDIS_URL: "secret", CARILLON_ACCOUNTS_API: PASSWORD });
  expect(() => withAccount(settings, "api")).toThrow("redis.url: this is no address");
});
