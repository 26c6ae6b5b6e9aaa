import { availableParallelism } from "node:os";
import { secretsOf, TokenSecrets } from "@carillon/base/node";
import type { CarillonError } from "@carillon/protocol";
import { newRefreshToken, Passwords, parseRefreshToken, successorsOf } from "../src/auth/passwords";

/** Secrets of which the first signs. */
function secrets(...names: string[]): TokenSecrets {
  const all = names.map((kid, age) => ({ kid, secret: `${kid} `.repeat(32), since: new Date(9 - age).toISOString() }));
  return new TokenSecrets(secretsOf({ secret: undefined, secrets: all }, Date.now()));
}

describe("refresh tokens", () => {
  test("are read back, and only their digest is stored", () => {
    const { token, ...stored } = newRefreshToken("alice", "phone-1");
    expect(parseRefreshToken(token)).toEqual(stored);
    expect(stored.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(token).not.toContain(stored.hash);
  });

  test.each(["ann.lee@mail.example", "a..", "_x", "auth0|5f"])("of a user called %s are read back", (userId) => {
    const { token, ...stored } = newRefreshToken(userId, "phone");
    expect(parseRefreshToken(token)).toEqual(stored);
  });

  test("of one family differ, and each has one successor only, which takes the secret", () => {
    const first = newRefreshToken("alice", "phone");
    const next = successorsOf(first, secrets("old"))[0]!;
    const { token, ...stored } = next;
    expect(parseRefreshToken(token)).toEqual(stored);
    expect(next.family).toBe(first.family);
    expect(new Set([first.hash, next.hash, successorsOf(next, secrets("old"))[0]!.hash]).size).toBe(3);
    expect(successorsOf(parseRefreshToken(first.token)!, secrets("old"))).toEqual([next]);
    const [later, former] = successorsOf(first, secrets("new", "old"));
    expect(later!.token).not.toBe(token);
    expect(former).toEqual(next);
  });

  test.each(["", "x", "a.b.c.d", "alice.phone.family.secret.more", `.phone.${"f".repeat(24)}.${"s".repeat(32)}`])(
    "%j is none",
    (text) => {
      expect(parseRefreshToken(text)).toBeUndefined();
    },
  );
});

describe("passwords", () => {
  const passwords = new Passwords();

  test("match their hash only", async () => {
    const stored = await passwords.hash("correct horse");
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await passwords.matches(stored, "correct horse")).toBe(true);
    expect(await passwords.matches(stored, "correct horsf")).toBe(false);
  });

  test("of nobody match nothing", async () => {
    expect(await passwords.matches(undefined, "anything")).toBe(false);
  });

  test("too many at once are refused, and the others are done", async () => {
    const most = Math.max(1, Math.floor(availableParallelism() / 2)) + 96;
    const all = Array.from({ length: most + 8 }, () => passwords.matches("no hash", "x"));
    const results = await Promise.allSettled(all);
    const busy = results.filter((r) => r.status === "rejected" && (r.reason as CarillonError).name === "BUSY");
    expect(busy).toHaveLength(8);
    expect(await passwords.matches(undefined, "later")).toBe(false);
  });
});
