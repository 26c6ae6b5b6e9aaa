import { createServer } from "node:net";
import { loginIdOf, silentLogger } from "@carillon/base/node";
import { isStoreUnavailable, MysqlStore } from "@carillon/store";
import { createConnection } from "mysql2/promise";
import { type OpenStore, openStore } from "./open-store";

let opened: OpenStore;
let store: MysqlStore;
let users = 0;
const NOW = 1_790_000_000_000;

beforeAll(async () => {
  opened = await openStore();
  store = opened.store;
}, 120_000);

afterAll(() => opened.close());

async function statement(sql: string, values: unknown[] = []): Promise<void> {
  const connection = await createConnection(opened.servers.mysql.url);
  await connection.query(sql, values);
  await connection.end();
}

async function newUser(): Promise<string> {
  const userId = `User${++users}`;
  const created = await store.users.create({
    userId,
    displayName: "Ünser 👋",
    passwordHash: "$argon2id$x",
    now: NOW,
  });
  expect(created).toBe(true);
  return userId;
}

const device = (deviceId: string) => ({ deviceId, platform: "web" });
const refresh = (family: string, hash: string) => ({ family, hash, expiresAt: NOW + 1_000 });

describe("accounts", () => {
  test("are found by their exact id", async () => {
    const userId = await newUser();
    expect(await store.accounts.find(userId)).toEqual({
      userId,
      displayName: "Ünser 👋",
      status: "normal",
      role: "user",
      tokenVersion: 1,
      createdAt: NOW,
      lastLoginAt: undefined,
    });
    expect(await store.accounts.find(userId.toLowerCase())).toBeUndefined();
    expect((await store.accounts.findWithPassword(userId))?.passwordHash).toBe("$argon2id$x");
  });

  test("cannot differ in case only", async () => {
    const userId = await newUser();
    const other = { userId: userId.toUpperCase(), displayName: "x", passwordHash: "x", now: NOW };
    expect(await store.users.create(other)).toBe(false);
  });

  test("facts tell their state", async () => {
    const [normal, disabled, deleted] = [await newUser(), await newUser(), await newUser()];
    await statement("UPDATE users SET status = 'disabled', muted_until = 5 WHERE id = ?", [disabled]);
    await statement("UPDATE users SET deleted_at = 1 WHERE id = ?", [deleted]);
    expect(await store.facts.users([normal, disabled, deleted, "nobody"])).toEqual(
      new Map([
        [normal, { status: "normal", mutedUntil: 0 }],
        [disabled, { status: "disabled", mutedUntil: 5 }],
        [deleted, { status: "deleted", mutedUntil: 0 }],
      ]),
    );
    expect(await store.accounts.find(deleted)).toBeUndefined();
  });

  test("facts tell relations in their direction", async () => {
    await statement(
      "INSERT INTO relations (owner_id, peer_id, state, remark, version, changed_at) VALUES ('r1', 'r2', 'friend', NULL, 1, 0), ('r2', 'r1', 'blocked', NULL, 1, 0)",
    );
    await statement(
      "INSERT INTO relations (owner_id, peer_id, state, remark, version, changed_at) VALUES ('r1', 'r3', 'requested', NULL, 1, 0)",
    );
    const pairs: [string, string][] = [
      ["r1", "r2"],
      ["r2", "r1"],
      ["r1", "r3"],
      ["r3", "r1"],
    ];
    expect(await store.facts.relations(pairs)).toEqual(
      new Map([
        ["r1 r2", "friend"],
        ["r2 r1", "blocked"],
        ["r1 r3", "none"],
      ]),
    );
  });
});

test("a MySQL that does not answer counts as away", async () => {
  const silent = createServer(() => {});
  const port = await new Promise<number>((resolve) => {
    silent.listen(0, "127.0.0.1", () => resolve((silent.address() as { port: number }).port));
  });
  const away = await MysqlStore.connect({ url: `mysql://x@127.0.0.1:${port}/x`, poolSize: 2 }, silentLogger());
  const error = await away.accounts.find("alice").catch((fault: unknown) => fault);
  expect(isStoreUnavailable(error)).toBe(true);
  expect(isStoreUnavailable(new Error("of ours"))).toBe(false);
  await away.close();
  silent.close();
});

describe("devices", () => {
  test("are listed while they are logged in", async () => {
    const userId = await newUser();
    await store.accounts.signIn(userId, device("phone"), refresh("f1", "h1"), NOW);
    await store.accounts.signIn(userId, device("laptop"), refresh("f2", "h2"), NOW + 1);
    expect((await store.accounts.devices(userId)).map(({ deviceId }) => deviceId)).toEqual(["laptop", "phone"]);
    await store.accounts.revokeDevice(userId, "phone", NOW + 2);
    expect((await store.accounts.devices(userId)).map(({ deviceId }) => deviceId)).toEqual(["laptop"]);
    const user = { status: "normal", role: "user", tokenVersion: 1 };
    const wanted = [
      { userId, deviceId: "phone" },
      { userId: "nobody", deviceId: "phone" },
      { userId, deviceId: "unknown" },
      { userId, deviceId: "laptop" },
    ];
    expect(await store.credentials.of(wanted)).toEqual([
      { ...user, device: { revoked: true, login: undefined } },
      undefined,
      user,
      { ...user, device: { revoked: false, login: loginIdOf("f2") } },
    ]);
    // More than one statement takes, in the same order.
    const many = Array.from({ length: 50 }, () => wanted).flat();
    const found = await store.credentials.of(many);
    expect(found.map((one) => one?.device?.revoked)).toEqual(
      many.map((_, i) => [true, undefined, undefined, false][i % 4]),
    );
    expect(await store.credentials.of([])).toEqual([]);
  });

  test("that were idle longest are logged out for one more; what is connected was seen now", async () => {
    const userId = await newUser();
    const logIn = (deviceId: string, at: number, connected: string[] = []) =>
      store.accounts.signIn(userId, device(deviceId), refresh(`f-${deviceId}`, "h"), NOW + at, { most: 3, connected });
    for (const [at, deviceId] of ["phone", "laptop", "tablet"].entries()) await logIn(deviceId, at);
    expect((await logIn("script1", 10, ["phone"]))?.loggedOut).toEqual(["laptop"]);
    expect((await logIn("script2", 11, ["phone"]))?.loggedOut).toEqual(["tablet"]);
    expect((await logIn("script3", 12, ["phone", "script1", "script2"]))?.loggedOut).toEqual(["phone"]);
    // Who was there is seen as long as it was there.
    await store.users.saw([[userId, "script1", NOW + 50]]);
    expect(
      (await store.accounts.devices(userId)).map(({ deviceId, lastSeenAt }) => [deviceId, lastSeenAt - NOW]),
    ).toEqual([
      ["script1", 50],
      ["script3", 12],
      ["script2", 11],
    ]);
  });

  test("a log-in on a revoked device makes it good again", async () => {
    const userId = await newUser();
    await store.accounts.signIn(userId, device("phone"), refresh("f1", "h1"), NOW);
    await store.accounts.revokeDevice(userId, "phone", NOW);
    await store.accounts.signIn(userId, device("phone"), refresh("f2", "h2"), NOW);
    const [known] = await store.credentials.of([{ userId, deviceId: "phone" }]);
    expect(known?.device).toEqual({ revoked: false, login: loginIdOf("f2") });
  });
});

describe("refresh tokens", () => {
  const next = (...hashes: string[]) => ({ hashes, expiresAt: NOW + 1_000 });

  test("rotate, and using an old one revokes the family", async () => {
    const userId = await newUser();
    await store.accounts.signIn(userId, device("d"), refresh("f", "h1"), NOW);
    const shown = (hash: string, family = "f") => ({ userId, deviceId: "d", family, hash });
    expect(await store.accounts.rotate(shown("h1"), next("h2"), NOW)).toMatchObject({
      kind: "rotated",
      platform: "web",
    });
    expect(await store.accounts.rotate(shown("h2"), next("h3"), NOW)).toMatchObject({ kind: "rotated" });
    expect(await store.accounts.rotate(shown("h9", "other"), next("h4"), NOW)).toEqual({ kind: "unknown" });
    expect(await store.accounts.rotate(shown("h1"), next("h4"), NOW)).toEqual({ kind: "reused" });
    expect(await store.accounts.rotate(shown("h3"), next("h4"), NOW)).toEqual({ kind: "unknown" });
    const [known] = await store.credentials.of([{ userId, deviceId: "d" }]);
    expect(known?.device?.revoked).toBe(true);
  });

  test("one that is shown twice at once brings the same successor twice", async () => {
    const userId = await newUser();
    await store.accounts.signIn(userId, device("d"), refresh("f", "h1"), NOW);
    const shown = { userId, deviceId: "d", family: "f", hash: "h1" };
    const both = await Promise.all([1, 2].map(() => store.accounts.rotate(shown, next("h2"), NOW)));
    expect(both.map(({ kind }) => kind)).toEqual(["rotated", "rotated"]);
    const successor = { ...shown, hash: "h2" };
    expect(await store.accounts.rotate(successor, next("h3"), NOW)).toMatchObject({ kind: "rotated" });
  });

  test("one whose answer was lost brings its successor until the device is seen, then for half a minute, unless that was used", async () => {
    const userId = await newUser();
    const shown = (hash: string) => ({ userId, deviceId: "d", family: "f", hash });
    await store.accounts.signIn(userId, device("d"), { ...refresh("f", "h1"), expiresAt: NOW + 100_000 }, NOW);
    const later = (...hashes: string[]) => ({ hashes, expiresAt: NOW + 100_000 });
    await store.accounts.rotate(shown("h1"), later("h2"), NOW);
    expect(await store.accounts.rotate(shown("h1"), later("h2"), NOW + 90_000)).toMatchObject({ kind: "rotated" });
    await store.users.saw([[userId, "d", NOW + 1]]);
    expect(await store.accounts.rotate(shown("h1"), later("h2"), NOW + 30_000)).toMatchObject({ kind: "rotated" });
    // Asking again does not make the half minute begin anew.
    expect(await store.accounts.rotate(shown("h1"), later("h2"), NOW + 30_001)).toEqual({ kind: "reused" });
    await store.accounts.signIn(userId, device("d"), { ...refresh("f", "h1"), expiresAt: NOW + 100_000 }, NOW);
    await store.accounts.rotate(shown("h1"), later("h2"), NOW);
    await store.accounts.rotate(shown("h2"), later("h3"), NOW + 1);
    expect(await store.accounts.rotate(shown("h1"), later("h2"), NOW + 2)).toEqual({ kind: "reused" });
  });

  test("one whose answer was lost brings the same successor although the secret was changed meanwhile", async () => {
    const userId = await newUser();
    await store.accounts.signIn(userId, device("d"), refresh("f", "h1"), NOW);
    const shown = (hash: string) => ({ userId, deviceId: "d", family: "f", hash });
    expect(await store.accounts.rotate(shown("h1"), next("h2"), NOW)).toMatchObject({ kind: "rotated", hash: "h2" });
    const again = await store.accounts.rotate(shown("h1"), next("h2-new", "h2"), NOW);
    expect(again).toMatchObject({ kind: "rotated", hash: "h2" });
    const later = await store.accounts.rotate(shown("h2"), next("h3-new", "h3"), NOW);
    expect(later).toMatchObject({ kind: "rotated", hash: "h3-new" });
    expect(await store.accounts.rotate(shown("h1"), next("h2-new", "h2"), NOW)).toEqual({ kind: "reused" });
  });

  test("end", async () => {
    const userId = await newUser();
    await store.accounts.signIn(userId, device("d"), refresh("f", "h1"), NOW);
    const shown = { userId, deviceId: "d", family: "f", hash: "h1" };
    expect(await store.accounts.rotate(shown, next("h2"), NOW + 1_001)).toEqual({ kind: "expired" });
  });
});
