import { createHmac, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createTokenSigner,
  createTokenVerifier,
  isSameSecret,
  newApiKey,
  parseApiKey,
  readIssuers,
} from "@carillon/base/node";
import { createSigner } from "fast-jwt";

const SECRET = "a secret of these tests, long enough";
const ISSUER = "https://id.example";
const directory = mkdtempSync(join(tmpdir(), "carillon-keys-"));
afterAll(() => rmSync(directory, { recursive: true }));

const pem = {
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
};
const pairs = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048, ...pem } as never) as unknown as KeyPair,
  ec: generateKeyPairSync("ec", { namedCurve: "P-256", ...pem } as never) as unknown as KeyPair,
  ed25519: generateKeyPairSync("ed25519", pem as never) as unknown as KeyPair,
};
interface KeyPair {
  publicKey: string;
  privateKey: string;
}

function issuersOf({ publicKey }: KeyPair) {
  const publicKeyFile = join(directory, "key.pem");
  writeFileSync(publicKeyFile, publicKey);
  return readIssuers([{ issuer: ISSUER, publicKeyFile }]);
}

const claims = { iss: ISSUER, sub: "alice", deviceId: "phone", platform: "ios" };
function signed({ privateKey }: KeyPair, payload: object): string {
  const life = "exp" in payload ? {} : { expiresIn: 60_000 };
  return createSigner({ key: privateKey, ...life })({ ...payload } as never) as unknown as string;
}

test.each(Object.entries(pairs))("a token that another issuer signed with a key of kind %s is good", (_, pair) => {
  const verify = createTokenVerifier(SECRET, issuersOf(pair));
  const { exp, ...rest } = { exp: 0, ...(verify(signed(pair, claims)) as object) };
  expect(rest).toEqual({
    userId: "alice",
    deviceId: "phone",
    platform: "ios",
    expiresAt: expect.any(Number),
    mayOperate: false,
  });
  const own = createTokenSigner(SECRET, 60)({ userId: "bob", deviceId: "d", platform: "web", tokenVersion: 1 });
  expect(verify(own)).toMatchObject({ userId: "bob", tokenVersion: 1 });
});

/** A token of HS256 whose secret is the public key: everybody has that. */
function forged({ publicKey }: KeyPair): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ alg: "HS256", typ: "JWT" })}.${part({ ...claims, exp: 9_999_999_999 })}`;
  return `${body}.${createHmac("sha256", publicKey).update(body).digest("base64url")}`;
}

test.each<[string, () => string, string]>([
  ["of another key", () => signed(pairs.ec, claims), "invalid"],
  ["of an issuer whom nobody knows", () => signed(pairs.rsa, { ...claims, iss: "https://other.example" }), "invalid"],
  ["that names no issuer", () => signed(pairs.rsa, { ...claims, iss: undefined }), "invalid"],
  ["without a device", () => signed(pairs.rsa, { ...claims, deviceId: undefined }), "invalid"],
  ["of a user whose id cannot be", () => signed(pairs.rsa, { ...claims, sub: "a b" }), "invalid"],
  ["whose claim is no text", () => signed(pairs.rsa, { ...claims, deviceId: 7 }), "invalid"],
  ["that is over", () => signed(pairs.rsa, { ...claims, exp: 1_000 }), "expired"],
  ["signed with the public key as a secret", () => forged(pairs.rsa), "invalid"],
  ["that is none", () => "nonsense", "invalid"],
])("a token %s is refused", (_, token, verdict) => {
  expect(createTokenVerifier(SECRET, issuersOf(pairs.rsa))(token())).toBe(verdict);
});

test("a token of another issuer ends within a day, or what the settings say; operators work by it only if they say so", () => {
  const ends = (seconds: number) => signed(pairs.ec, { ...claims, exp: Math.floor(Date.now() / 1_000) + seconds });
  const verify = createTokenVerifier(SECRET, issuersOf(pairs.ec));
  expect(verify(ends(86_000))).toMatchObject({ userId: "alice", mayOperate: false });
  expect(verify(ends(87_000))).toBe("invalid");
  const [issuer] = issuersOf(pairs.ec);
  const strict = createTokenVerifier(SECRET, [{ ...issuer!, maxTokenSeconds: 60, operators: true }]);
  expect(strict(ends(50))).toMatchObject({ mayOperate: true });
  expect(strict(ends(70))).toBe("invalid");
});

test("a token of another issuer may name a user as that issuer does", () => {
  for (const sub of ["auth0|5f7c8ec7c33c6c004bbafe82", "ann.lee+x@mail.example", "_x", "a".repeat(64)]) {
    const verify = createTokenVerifier(SECRET, issuersOf(pairs.ec));
    expect(verify(signed(pairs.ec, { ...claims, sub }))).toMatchObject({ userId: sub });
  }
});

test("a key file that is not there, or holds no key, is named", () => {
  const read = (publicKeyFile: string) => () => readIssuers([{ issuer: ISSUER, publicKeyFile }]);
  expect(read(join(directory, "none.pem"))).toThrow("none.pem");
  const empty = join(directory, "empty.pem");
  writeFileSync(empty, "no key");
  expect(read(empty)).toThrow(`auth.issuers: no public key in ${empty}`);
});

test("an API key is recognised by its form, and its secret by the digest", () => {
  const { id, key, secretHash } = newApiKey();
  expect(parseApiKey(key)).toEqual({ id, secretHash });
  expect(isSameSecret(parseApiKey(newApiKey().key)!.secretHash, secretHash)).toBe(false);
  for (const other of ["", "ck_", `${key}x`, key.slice(3), "ck_a_b"]) expect(parseApiKey(other)).toBeUndefined();
});
