/** Access tokens of other issuers, whose keys are in files or at a URL. */
import { createHmac, createPublicKey, createSign, generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createTokenSigner,
  type IssuerSettings,
  Issuers,
  secretsOf,
  silentLogger,
  TokenSecrets,
  TokenVerifier,
  type Verdict,
} from "@carillon/base/node";
import { createSigner } from "fast-jwt";
import { JwksUrl } from "../src/node/tokens/jwks-url";

const SECRET = "a secret of these tests, long enough";
const ISSUER = "https://id.example";
const OTHER = "https://other.example";
const directory = mkdtempSync(join(tmpdir(), "carillon-keys-"));
const secrets = new TokenSecrets(secretsOf({ secret: SECRET, secrets: [] }, Date.now()));
const opened: Issuers[] = [];
afterAll(() => {
  for (const issuers of opened) issuers.stop();
  rmSync(directory, { recursive: true });
});

interface KeyPair {
  publicKey: string;
  privateKey: string;
}
const pem = {
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
};
const pair = (kind: string, options: object = {}) =>
  generateKeyPairSync(kind as "rsa", { ...options, ...pem } as never) as unknown as KeyPair;
const pairs = {
  RS256: pair("rsa", { modulusLength: 2048 }),
  ES256: pair("ec", { namedCurve: "P-256" }),
  EdDSA: pair("ed25519"),
};
const another = pair("ec", { namedCurve: "P-256" });

let files = 0;
function written(content: string): string {
  const file = join(directory, `${++files}.key`);
  writeFileSync(file, content);
  return file;
}

function jwk({ publicKey }: KeyPair, kid?: string): JsonWebKey {
  return { ...createPublicKey(publicKey).export({ format: "jwk" }), ...(kid === undefined ? {} : { kid }) };
}

const jwksOf = (...keys: JsonWebKey[]) => JSON.stringify({ keys });

function verifierOf(...issuers: IssuerSettings[]): TokenVerifier {
  const made = new Issuers(issuers, silentLogger());
  opened.push(made);
  return new TokenVerifier(secrets, made);
}

const fileOf = (key: KeyPair) => ({ issuer: ISSUER, publicKeyFile: written(key.publicKey) });
const claims = { iss: ISSUER, sub: "alice", deviceId: "phone", platform: "ios" };
const seconds = (ahead: number) => Math.floor(Date.now() / 1_000) + ahead;

function signed({ privateKey }: KeyPair, payload: object, kid?: string): string {
  const life = "exp" in payload ? {} : { expiresIn: 60_000 };
  const name = kid === undefined ? {} : { kid };
  return createSigner({ key: privateKey, ...name, ...life })({ ...payload } as never) as unknown as string;
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const payload = { ...claims, exp: 9_999_999_999 };

/** A token of HS256 whose secret is the public key: everybody has that. */
function forged(secret: string, header: object = {}): string {
  const body = `${part({ alg: "HS256", typ: "JWT", ...header })}.${part({ ...claims, exp: seconds(60) })}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

const good = { userId: "alice", deviceId: "phone", platform: "ios", mayOperate: false };

describe.each(Object.entries(pairs))("a key for %s", (algorithm, key) => {
  test("in a file checks tokens; Carillon's own stay good beside them", () => {
    const verifier = verifierOf(fileOf(key));
    expect(verifier.verify(signed(key, claims))).toMatchObject(good);
    expect(verifier.verify(signed(key, claims, "any-name"))).toMatchObject(good);
    const own = createTokenSigner(SECRET, 60)({ userId: "bob", deviceId: "d", platform: "web", tokenVersion: 1 });
    expect(verifier.verify(own)).toMatchObject({ userId: "bob", tokenVersion: 1 });
  });

  test("in a JWKS is found by its name, and by none", () => {
    const jwksFile = written(jwksOf(jwk(another, "another"), jwk(key, "this")));
    const verifier = verifierOf({ issuer: ISSUER, jwksFile });
    expect(verifier.verify(signed(key, claims, "this"))).toMatchObject(good);
    expect(verifier.verify(signed(key, claims))).toMatchObject(good);
    expect(verifier.verify(signed(key, claims, "another"))).toBe("invalid");
    expect(verifier.verify(signed(key, claims, "none"))).toBe("invalid");
  });

  test("is no secret: a token that was signed with it by HMAC, or not at all, is refused", () => {
    const jwksFile = written(jwksOf(jwk(key, "this")));
    for (const verifier of [verifierOf(fileOf(key)), verifierOf({ issuer: ISSUER, jwksFile })]) {
      for (const secret of [key.publicKey, key.publicKey.trim(), JSON.stringify(jwk(key))]) {
        expect(verifier.verify(forged(secret))).toBe("invalid");
        expect(verifier.verify(forged(secret, { kid: "this" }))).toBe("invalid");
      }
      for (const alg of ["none", "None", "NONE", algorithm]) {
        expect(verifier.verify(`${part({ alg, kid: "this" })}.${part(payload)}.`)).toBe("invalid");
        expect(verifier.verify(`${part({ alg })}.${part(payload)}`)).toBe("invalid");
      }
      // The right signature below a header that names another kind of key.
      const [header, body, signature] = signed(key, claims).split(".");
      for (const alg of ["RS256", "ES256", "EdDSA", "RS512", "HS256", "ES384"].filter((one) => one !== algorithm)) {
        expect(verifier.verify(`${part({ alg })}.${body}.${signature}`)).toBe("invalid");
      }
      expect(header).toBeDefined();
    }
  });

  test("whose algorithm the settings do not name is none", () => {
    const others = (["RS256", "ES256", "EdDSA"] as const).filter((one) => one !== algorithm);
    expect(() => verifierOf({ ...fileOf(key), algorithms: others })).toThrow(`its algorithm would be ${algorithm}`);
    const jwksFile = written(jwksOf(jwk(key)));
    expect(() => verifierOf({ issuer: ISSUER, jwksFile, algorithms: others })).toThrow("no key can be used");
  });
});

describe("a token is judged by its claims", () => {
  const key = pairs.ES256;
  const audience = "https://chat.example";

  test.each<[string, object, "good" | "expired" | "invalid"]>([
    ["as agreed", {}, "good"],
    ["for several, and us among them", { aud: ["https://else.example", audience] }, "good"],
    ["for somebody else", { aud: "https://else.example" }, "invalid"],
    ["for nobody", { aud: undefined }, "invalid"],
    ["of an issuer whom nobody knows", { iss: OTHER }, "invalid"],
    ["of no issuer", { iss: undefined }, "invalid"],
    ["of an issuer that is no text", { iss: [ISSUER] }, "invalid"],
    ["that ended 29 s ago", { exp: seconds(-28) }, "good"],
    ["that ended 31 s ago", { exp: seconds(-31) }, "expired"],
    ["without an end", { exp: undefined }, "invalid"],
    ["whose end is no number", { exp: `${seconds(60)}` }, "invalid"],
    ["that ends in two days", { exp: seconds(172_800) }, "invalid"],
    ["of a clock that is 25 s ahead", { iat: seconds(25), nbf: seconds(25) }, "good"],
    ["that begins in 90 s", { nbf: seconds(90) }, "invalid"],
    ["that was made in 90 s", { iat: seconds(90) }, "invalid"],
    ["without a device", { deviceId: undefined }, "invalid"],
    ["of a user whose id cannot be", { sub: "a b" }, "invalid"],
    ["whose device is no text", { deviceId: 7 }, "invalid"],
    ["without a platform", { platform: undefined }, "invalid"],
  ])("%s", (_, change, verdict) => {
    const all: Record<string, unknown> = { aud: audience, exp: seconds(60), ...claims, ...change };
    const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    // fast-jwt would refuse to sign some of these.
    const body = `${part({ alg: "ES256" })}.${part(present)}`;
    const signature = createSign("sha256").update(body).sign({ key: key.privateKey, dsaEncoding: "ieee-p1363" });
    const token = `${body}.${signature.toString("base64url")}`;
    const found = verifierOf({ ...fileOf(key), audience }).verify(token);
    if (verdict === "good") expect(found).toMatchObject(good);
    else expect(found).toBe(verdict);
  });

  test.each(["", "nonsense", "a.b.c", `${part({})}.${part(payload)}.x`, `${part([])}.${part([])}.`])("%j", (token) => {
    expect(verifierOf(fileOf(key)).verify(token)).toBe("invalid");
  });

  test("its end lies within what the settings say; operators work by it only if they say so", () => {
    const ends = (ahead: number) => signed(key, { ...claims, exp: seconds(ahead) });
    const strict = verifierOf({ ...fileOf(key), maxTokenSeconds: 60, operators: true });
    expect(strict.verify(ends(50))).toMatchObject({ mayOperate: true });
    expect(strict.verify(ends(70))).toBe("invalid");
  });

  test("its user may be named as the issuer names them", () => {
    const verifier = verifierOf(fileOf(key));
    for (const sub of ["auth0|5f7c8ec7c33c6c004bbafe82", "ann.lee+x@mail.example", "_x", "a".repeat(64)]) {
      expect(verifier.verify(signed(key, { ...claims, sub }))).toMatchObject({ userId: sub });
    }
  });
});

test.each(["RS384", "RS512", "PS256"] as const)("a key of RSA signs by RS256 only, not by %s", (algorithm) => {
  const { privateKey } = pairs.RS256;
  const token = createSigner({ key: privateKey, algorithm, expiresIn: 60_000 })(claims) as unknown as string;
  expect(verifierOf(fileOf(pairs.RS256)).verify(token)).toBe("invalid");
  expect(verifierOf({ issuer: ISSUER, jwksFile: written(jwksOf(jwk(pairs.RS256))) }).verify(token)).toBe("invalid");
});

test("a key of one issuer does not sign for another", () => {
  const [mine, theirs] = [pairs.ES256, another];
  const jwks = (key: KeyPair, kid: string) => written(jwksOf(jwk(key, kid)));
  const verifier = verifierOf(
    { issuer: ISSUER, jwksFile: jwks(mine, "mine") },
    { issuer: OTHER, jwksFile: jwks(theirs, "theirs") },
  );
  expect(verifier.verify(signed(theirs, { ...claims, iss: OTHER }, "theirs"))).toMatchObject(good);
  for (const kid of ["theirs", "mine", undefined]) expect(verifier.verify(signed(theirs, claims, kid))).toBe("invalid");
});

test.each<[string, () => IssuerSettings, string]>([
  ["a file that is not there", () => ({ issuer: ISSUER, publicKeyFile: join(directory, "none.pem") }), "none.pem"],
  ["a file without a key", () => ({ issuer: ISSUER, publicKeyFile: written("no key") }), "no public key in"],
  ["a JWKS without keys", () => ({ issuer: ISSUER, jwksFile: written("{}") }), "no list `keys`"],
  [
    "a JWKS with a secret only",
    () => ({ issuer: ISSUER, jwksFile: written(jwksOf({ kty: "oct", k: "c2VjcmV0" })) }),
    "no key can be used",
  ],
  [
    "a JWKS for encryption",
    () => ({ issuer: ISSUER, jwksFile: written(jwksOf({ ...jwk(another), use: "enc" })) }),
    "no key",
  ],
  ["a short key", () => fileOf(pair("rsa", { modulusLength: 1024 })), "must have 2048 bits"],
  ["a curve of another kind", () => fileOf(pair("ec", { namedCurve: "P-384" })), "cannot be used"],
  ["no source", () => ({ issuer: ISSUER }), "needs one of publicKeyFile, jwksFile and jwksUrl"],
  ["two sources", () => ({ ...fileOf(another), jwksFile: "x" }), "needs one of"],
])("an issuer with %s is refused at the start", (_, settings, message) => {
  expect(() => verifierOf(settings())).toThrow(message);
});

describe("keys at a URL", () => {
  let server: Server;
  let url: string;
  let answer: { status: number; body: string };
  let fetches = 0;
  let clock: number;
  let source: JwksUrl | undefined;
  let warnings: number;

  beforeEach(async () => {
    answer = { status: 200, body: jwksOf(jwk(pairs.ES256, "first")) };
    fetches = 0;
    warnings = 0;
    clock = 1_000_000;
    server = createServer((_, response) => {
      fetches++;
      response.writeHead(answer.status).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  });
  afterEach(async () => {
    source?.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  function open(): JwksUrl {
    const rules = { issuer: ISSUER, algorithms: ["ES256"] as const };
    const logger = { info: () => {}, warn: () => void warnings++ };
    source = new JwksUrl({ url, rules, logger, monotonic: () => clock });
    return source;
  }

  async function until(condition: () => boolean): Promise<void> {
    for (const end = Date.now() + 20_000; !condition(); ) {
      if (Date.now() > end) throw new Error("it did not come about");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  const isKnown = (kid: string) => {
    const named = source!.named(kid);
    return named !== "unavailable" && named.length === 1;
  };

  test("are fetched at once; nobody is refused before they are known", async () => {
    const keys = open();
    expect(keys.named("first")).toBe("unavailable");
    await until(() => isKnown("first"));
    expect(fetches).toBe(1);
  });

  test("that nobody knows are fetched at most once in 30 s, however often they are shown", async () => {
    open();
    await until(() => isKnown("first"));
    for (let i = 0; i < 100; i++) expect(source!.named(`invented-${i}`)).toEqual([]);
    expect(fetches).toBe(1);
    answer.body = jwksOf(jwk(pairs.ES256, "first"), jwk(another, "second"));
    expect(source!.named("second")).toEqual([]);
    clock += 30_000;
    for (let i = 0; i < 100; i++) expect(source!.named("second")).toBe("unavailable");
    await until(() => isKnown("second"));
    expect(fetches).toBe(2);
    expect(source!.named("third")).toEqual([]);
    expect(fetches).toBe(2);
  });

  test.each<[string, () => void]>([
    ["an error", () => Object.assign(answer, { status: 500 })],
    ["no JWKS", () => Object.assign(answer, { body: "<html>" })],
    ["too much", () => Object.assign(answer, { body: " ".repeat(300_000) + answer.body })],
  ])("stay while the URL answers with %s", async (_, fail) => {
    open();
    await until(() => isKnown("first"));
    fail();
    clock += 600_000;
    expect(source!.named("second")).toBe("unavailable");
    await until(() => warnings === 1);
    expect([fetches, isKnown("first")]).toEqual([2, true]);
    // It cannot be said whether there is such a key, and nobody asks again before the pause is over.
    const shown = 20;
    for (let i = 0; i < shown; i++) {
      expect(source!.named("second")).toBe("unavailable");
      await (await fetch(url)).text();
    }
    expect(fetches - shown).toBe(2);
  });

  test("a process starts while the URL cannot be reached, and knows the keys later", async () => {
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const verifier = verifierOf({ issuer: ISSUER, jwksUrl: url });
    const token = signed(pairs.ES256, claims, "first");
    expect(verifier.verify(token)).toBe("unavailable");
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    let verdict: Verdict = "unavailable";
    await until(() => {
      verdict = verifier.verify(token);
      return verdict !== "unavailable";
    });
    expect(verdict).toMatchObject(good);
    expect(verifier.verify(signed(another, claims, "first"))).toBe("invalid");
  });
});
