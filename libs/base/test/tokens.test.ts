/** Carillon's own access tokens, the secrets that sign them, and API keys. */
import { createHmac } from "node:crypto";
import {
  createTokenSigner,
  Issuers,
  isSameSecret,
  kidOf,
  newApiKey,
  parseApiKey,
  type Settings,
  secretsOf,
  silentLogger,
  TokenSecrets,
  TokenSigner,
  TokenVerifier,
} from "@carillon/base/node";
import { createDecoder } from "fast-jwt";

const SECRET = "a secret of these tests, long enough";
const NOW = Date.parse("2026-11-30T12:00:00Z");
const CLAIMS = { userId: "bob", deviceId: "d", platform: "web", tokenVersion: 1 };

const noIssuers = new Issuers([], silentLogger());
const secretOf = (kid: string) => `${kid}: ${SECRET}`;
const at = (seconds: number) => new Date(NOW + seconds * 1_000).toISOString();
const headerOf = (token: string) => createDecoder({ complete: true })(token).header as { kid?: string; alg: string };

type Given = Settings["auth"]["secrets"];

/** The secrets of a process whose clock can be set. */
function secretsAt(secrets: Given, secret?: string) {
  const clock = { now: NOW };
  return { clock, secrets: new TokenSecrets(secretsOf({ secret, secrets }, NOW), () => clock.now) };
}

describe("secrets", () => {
  test("the newest that has begun signs, and each names itself in its tokens", () => {
    const { clock, secrets } = secretsAt([
      { kid: "old", secret: secretOf("old"), until: at(1_000) },
      { kid: "new", secret: secretOf("new"), since: at(300) },
    ]);
    const signer = new TokenSigner(secrets, 900);
    const verifier = new TokenVerifier(secrets, noIssuers);
    for (const [seconds, kid] of [
      [0, "old"],
      [299, "old"],
      [300, "new"],
      [9_999, "new"],
    ] as const) {
      clock.now = NOW + seconds * 1_000;
      const token = signer.sign(CLAIMS);
      expect(headerOf(token)).toMatchObject({ kid, alg: "HS256" });
      expect(verifier.verify(token)).toMatchObject({ userId: "bob", tokenVersion: 1 });
    }
  });

  test("a token of a secret that has not begun here is good: the clock of the signer is ahead", () => {
    const { secrets } = secretsAt([{ kid: "new", secret: secretOf("new"), since: at(2) }], SECRET);
    const token = createTokenSigner(secretOf("new"), 60, "new")(CLAIMS);
    expect(new TokenVerifier(secrets, noIssuers).verify(token)).toMatchObject({ userId: "bob" });
  });

  test("a token of a secret that is over is over itself; one that names another secret is invalid", () => {
    const old = { kid: "old", secret: secretOf("old"), until: at(100) };
    const { clock, secrets } = secretsAt([old, { kid: "new", secret: secretOf("new") }]);
    const verifier = new TokenVerifier(secrets, noIssuers);
    const token = createTokenSigner(secretOf("old"), 900, "old")(CLAIMS);
    expect(verifier.verify(token)).toMatchObject({ userId: "bob" });
    clock.now = NOW + 100_000;
    expect(verifier.verify(token)).toBe("expired");
    expect(verifier.verify(createTokenSigner(secretOf("old"), 900, "new")(CLAIMS))).toBe("invalid");
    expect(verifier.verify(createTokenSigner(secretOf("else"), 900, "old")(CLAIMS))).toBe("invalid");
    secrets.replace(secretsOf({ secret: undefined, secrets: [{ kid: "new", secret: secretOf("new") }] }, NOW));
    expect(verifier.verify(token)).toBe("invalid");
  });

  test("auth.secret has a name too, and tokens of earlier versions, which name none, stay good", () => {
    const { secrets } = secretsAt([{ kid: "new", secret: secretOf("new") }], SECRET);
    expect(secrets.named(kidOf(SECRET))).toHaveLength(1);
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const payload = { sub: "bob", did: "d", pl: "web", tv: 1, exp: 9_999_999_999 };
    const body = `${part({ alg: "HS256", typ: "JWT" })}.${part(payload)}`;
    const token = `${body}.${createHmac("sha256", SECRET).update(body).digest("base64url")}`;
    expect(new TokenVerifier(secrets, noIssuers).verify(token)).toMatchObject({ userId: "bob" });
    expect(new TokenVerifier(secretsAt([], SECRET).secrets, noIssuers).verify(`${token}x`)).toBe("invalid");
  });

  test.each<[string, Given, string]>([
    [
      "a name twice",
      [
        { kid: "a", secret: secretOf("a") },
        { kid: "a", secret: secretOf("b") },
      ],
      "two secrets have the name a",
    ],
    ["a time that is none", [{ kid: "a", secret: secretOf("a"), since: "2026-13-30T12:00:00Z" }], "[0].since: 2026-13"],
    ["none that signs yet", [{ kid: "a", secret: secretOf("a"), since: at(1) }], `no secret signs tokens at ${at(0)}`],
    [
      "none that signs later",
      [{ kid: "a", secret: secretOf("a"), until: at(9) }],
      `no secret signs tokens at ${at(9)}`,
    ],
    [
      "a gap",
      [
        { kid: "a", secret: secretOf("a"), until: at(9) },
        { kid: "b", secret: secretOf("b"), since: at(10) },
      ],
      `no secret signs tokens at ${at(9)}`,
    ],
  ])("%s is refused", (_, secrets, message) => {
    expect(() => secretsOf({ secret: undefined, secrets }, NOW)).toThrow(message);
  });
});

test("an API key is recognised by its form, and its secret by the digest", () => {
  const { id, key, secretHash } = newApiKey();
  expect(parseApiKey(key)).toEqual({ id, secretHash });
  expect(isSameSecret(parseApiKey(newApiKey().key)!.secretHash, secretHash)).toBe(false);
  for (const other of ["", "ck_", `${key}x`, key.slice(3), "ck_a_b"]) expect(parseApiKey(other)).toBeUndefined();
});
