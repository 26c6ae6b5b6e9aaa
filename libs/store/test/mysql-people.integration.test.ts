import type { LockedPair, MysqlStore, PairEdit } from "@carillon/store";
import { type OpenStore, openStore } from "./open-store";

let opened: OpenStore;
let store: MysqlStore;
let users = 0;
const NOW = 1_790_000_000_000;

beforeAll(async () => {
  opened = await openStore(8);
  store = opened.store;
}, 120_000);

afterAll(() => opened.close());

async function newUser(displayName = "Jemand"): Promise<string> {
  const userId = `User${++users}`;
  expect(await store.users.create({ userId, displayName, now: NOW })).toBe(true);
  return userId;
}

async function logIn(userId: string, deviceId: string, now = NOW, most?: number): Promise<string[]> {
  const refresh = { family: `family-${deviceId}`, hash: `hash-${deviceId}`, expiresAt: NOW + 1_000_000 };
  const rules = most === undefined ? {} : { most };
  return (await store.accounts.signIn(userId, { deviceId, platform: "web" }, refresh, now, rules))!.loggedOut;
}

const overviewOf = async (userId: string) => (await store.sync.overviews([userId])).get(userId)!;

const devicesOf = async (userId: string) => (await store.accounts.devices(userId)).map(({ deviceId }) => deviceId);

describe("relations", () => {
  /** Who asks back accepts. */
  const ask = ({ own, peer }: LockedPair): PairEdit => {
    if (own === "asked") return { own: "friend", peer: "friend" };
    return own === "none" && peer === "none" ? { own: "requested", peer: "asked" } : {};
  };

  test("two who ask each other at the same moment are friends", async () => {
    for (let round = 0; round < 20; round++) {
      const [alice, bob] = [await newUser(), await newUser()];
      await Promise.all([store.relations.change(alice, bob, NOW, ask), store.relations.change(bob, alice, NOW, ask)]);
      const of = async (userId: string) =>
        (await store.relations.list(userId, ["friend"], 10)).map((row) => row.userId);
      expect([await of(alice), await of(bob)]).toEqual([[bob], [alice]]);
    }
  });

  test("what friends see of a user rises in steps, for friends only", async () => {
    const alice = await newUser();
    const friends = (await Promise.all(Array.from({ length: 7 }, () => newUser()))).sort();
    const stranger = await newUser();
    for (const friend of friends) {
      await store.relations.change(alice, friend, NOW, ask);
      await store.relations.change(friend, alice, NOW, ask);
    }
    await store.relations.change(alice, stranger, NOW, ask);
    // Whom she blocks sees her as before; who blocks her does not want to.
    await store.relations.change(alice, friends[0]!, NOW, () => ({ own: "blocked" }));
    await store.relations.change(friends[1]!, alice, NOW, () => ({ own: "blocked" }));
    const before = await Promise.all([...friends, stranger].map((id) => overviewOf(id)));
    const owners: string[] = [];
    for (let after: string | undefined = ""; after !== undefined; ) {
      const step: { owners: string[]; next?: string } = await store.relations.touchFriends(alice, 3, after);
      owners.push(...step.owners);
      after = step.next;
    }
    expect(owners).toEqual(friends.filter((id) => id !== friends[1]));
    for (const [place, id] of [...friends, stranger].entries()) {
      const { relationsVersion: version } = before[place]!;
      const isTold = owners.includes(id);
      expect((await overviewOf(id)).relationsVersion).toBe(isTold ? version + 1 : version);
      const told = isTold ? [expect.objectContaining({ userId: alice, state: "friend", version: version + 1 })] : [];
      expect(await store.relations.changedSince(id, version, 10)).toEqual(told);
    }
  });

  test("of many changes of one user each gets a version of its own", async () => {
    const alice = await newUser();
    const others = await Promise.all(Array.from({ length: 30 }, () => newUser()));
    await Promise.all(others.map((other) => store.relations.change(alice, other, NOW, ask)));
    const changes = await store.relations.changedSince(alice, 0, 100);
    expect(changes.map(({ version }) => version)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(await overviewOf(alice)).toMatchObject({
      relationsVersion: 30,
      counts: { relations: 30, groups: 0, conversations: 0 },
    });
    expect(await store.relations.changedSince(alice, 28, 1)).toMatchObject([{ version: 29 }]);
  });

  test("what a rule refuses leaves no trace; what changes nothing has no version", async () => {
    const [alice, bob] = [await newUser(), await newUser()];
    const refuse = () => {
      throw new Error("refused");
    };
    await expect(store.relations.change(alice, bob, NOW, refuse)).rejects.toThrow("refused");
    const nothing = await store.relations.change(alice, bob, NOW, () => ({}));
    expect(nothing).toMatchObject({ own: { state: "none", version: 0 }, versions: [], mattersToWorkers: false });
    expect(await overviewOf(alice)).toMatchObject({ relationsVersion: 0, counts: { relations: 0 } });
  });

  test("a remark ends with the relation, and one that ended is told to those who knew it only", async () => {
    const [alice, bob] = [await newUser(), await newUser()];
    await store.relations.change(alice, bob, NOW, () => ({ own: "friend", peer: "friend", remark: { text: "x" } }));
    const ended = await store.relations.change(bob, alice, NOW, () => ({ own: "none", peer: "none" }));
    expect(ended.mattersToWorkers).toBe(true);
    expect(await store.relations.changedSince(alice, 1, 10)).toMatchObject([{ state: "none", remark: undefined }]);
    expect(await store.relations.changedSince(alice, 0, 10)).toEqual([]);
    expect(await store.facts.relations([[alice, bob]])).toEqual(new Map([[`${alice} ${bob}`, "none"]]));
  });
});

describe("users", () => {
  test("a deleted user keeps their id, and nothing else", async () => {
    const userId = await newUser();
    await logIn(userId, "phone");
    expect(await store.users.delete(userId, NOW)).toBe(true);
    expect(await store.users.delete(userId, NOW)).toBe(false);
    expect(await store.users.names([userId])).toEqual(
      new Map([[userId, { displayName: "deleted user", isDeleted: true }]]),
    );
    expect(await devicesOf(userId)).toEqual([]);
    expect(await store.users.create({ userId: userId.toUpperCase(), displayName: "x", now: NOW })).toBe(false);
    for (const change of [
      store.users.rename(userId, "x"),
      store.users.mute(userId, NOW),
      store.users.setStatus(userId, "disabled"),
      store.users.setRole(userId, "operator"),
      store.users.logOutEverywhere(userId, NOW),
    ]) {
      expect(await change).toBe(false);
    }
    expect((await store.facts.users([userId])).get(userId)?.status).toBe("deleted");
  });

  test("a change that is so already is none that failed", async () => {
    const userId = await newUser();
    for (let i = 0; i < 2; i++) expect(await store.users.setStatus(userId, "disabled")).toBe(true);
    expect(await store.users.record(userId)).toMatchObject({ userId, status: "disabled", mutedUntil: 0, role: "user" });
    expect(await store.users.record("nobody")).toBeUndefined();
  });

  test("a new password logs the other devices out; logging out everywhere voids all tokens", async () => {
    const userId = await newUser();
    for (const deviceId of ["phone", "laptop", "tablet"]) await logIn(userId, deviceId);
    expect((await store.users.setPassword(userId, "$argon2id$y", "phone", NOW)).sort()).toEqual(["laptop", "tablet"]);
    expect(await devicesOf(userId)).toEqual(["phone"]);
    expect((await store.accounts.findWithPassword(userId))?.passwordHash).toBe("$argon2id$y");
    await store.users.logOutEverywhere(userId, NOW);
    expect(await devicesOf(userId)).toEqual([]);
    expect((await store.accounts.find(userId))?.tokenVersion).toBe(2);
  });

  test("are let in by the password that they have at that moment, and not after they were deleted", async () => {
    const userId = await newUser();
    await store.users.setPassword(userId, "$argon2id$new", "phone", NOW);
    const signIn = (passwordHash: string) =>
      store.accounts.signIn(
        userId,
        { deviceId: "phone", platform: "web" },
        { family: "f", hash: "h", expiresAt: NOW + 1_000 },
        NOW,
        { passwordHash },
      );
    expect(await signIn("$argon2id$old")).toBeUndefined();
    expect(await devicesOf(userId)).toEqual([]);
    expect((await signIn("$argon2id$new"))?.account.userId).toBe(userId);
    await store.users.delete(userId, NOW);
    expect(await signIn("$argon2id$new")).toBeUndefined();
  });

  test("have so many devices at most: the idlest goes, never the one that comes", async () => {
    const userId = await newUser();
    expect(await logIn(userId, "a", NOW + 3, 2)).toEqual([]);
    expect(await logIn(userId, "b", NOW + 2, 2)).toEqual([]);
    expect(await logIn(userId, "a", NOW + 3, 2)).toEqual([]);
    expect(await logIn(userId, "c", NOW + 1, 2)).toEqual(["b"]);
    expect((await devicesOf(userId)).sort()).toEqual(["a", "c"]);
    const many = ["d", "e", "f", "g"];
    await Promise.all(many.map((deviceId, i) => logIn(userId, deviceId, NOW + 10 + i, 2)));
    expect(await devicesOf(userId)).toHaveLength(2);
  });
});

test("a key is found until it is revoked, and after, as revoked", async () => {
  const key = { id: "k1", name: "shop", secretHash: "a".repeat(64), scopes: ["users", "messages"], now: NOW };
  await store.keys.create(key);
  const found = { id: "k1", name: "shop", scopes: key.scopes, createdAt: NOW };
  expect(await store.keys.find("k1")).toMatchObject({ ...found, secretHash: key.secretHash, revokedAt: undefined });
  await store.keys.used("k1", NOW + 1);
  expect(await store.keys.revoke("k1", NOW + 2)).toBe(true);
  expect(await store.keys.revoke("k1", NOW + 3)).toBe(true);
  expect(await store.keys.list()).toEqual([{ ...found, lastUsedAt: NOW + 1, revokedAt: NOW + 2 }]);
  expect(await store.keys.find("k2")).toBeUndefined();
  expect(await store.keys.revoke("k2", NOW)).toBe(false);
});

describe("broadcasts", () => {
  const broadcast = (broadcastId: string, userIds?: string[]) => ({
    ...{ broadcastId, senderId: "news", contentType: "text" as const, content: "hello", userIds, createdAt: NOW },
  });

  test("serve those who are named by id, each once; of two who go on, one moves the row", async () => {
    expect(await store.broadcasts.create(broadcast("b1", ["carl", "alice", "bob", "bob"]))).toBe(true);
    expect(await store.broadcasts.create(broadcast("b1"))).toBe(false);
    const found = (await store.broadcasts.find("b1"))!;
    expect(found).toMatchObject({ userIds: ["alice", "bob", "carl"], after: "", sent: 0, doneAt: undefined });
    expect(await store.broadcasts.recipients(found, "", 2)).toEqual(["alice", "bob"]);
    expect(await store.broadcasts.recipients(found, "bob", 2)).toEqual(["carl"]);
    const step = { from: "", to: "bob", sent: 1, refused: 1 };
    expect(await store.broadcasts.advance("b1", step)).toBe(true);
    expect(await store.broadcasts.advance("b1", step)).toBe(false);
    expect(await store.broadcasts.open(10)).toMatchObject([{ broadcastId: "b1", after: "bob", sent: 1, refused: 1 }]);
    await store.broadcasts.finish("b1", NOW + 1);
    await store.broadcasts.finish("b1", NOW + 2);
    expect(await store.broadcasts.open(10)).toEqual([]);
    expect((await store.broadcasts.find("b1"))?.doneAt).toBe(NOW + 1);
  });

  test("to everybody leave out the sender, and users who deleted their account", async () => {
    const [sender, gone, there] = [await newUser(), await newUser(), await newUser()];
    await store.users.delete(gone, NOW);
    const all = await store.broadcasts.recipients(
      { ...broadcast("b2"), senderId: sender, after: "", sent: 0, refused: 0, doneAt: undefined },
      "",
      1_000,
    );
    expect(all).toContain(there);
    expect(all).not.toContain(sender);
    expect(all).not.toContain(gone);
    expect(all).toEqual([...all].sort());
  });
});
