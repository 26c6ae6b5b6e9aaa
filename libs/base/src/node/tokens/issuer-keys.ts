/**
 * The public keys of another issuer: of a file with a key in PEM, of a file with a JWKS, or of a JWKS at a URL.
 *
 * Each key fixes the algorithm of its tokens: RS256 for RSA, ES256 for P-256, EdDSA for Ed25519. No key has an algorithm with a
 * shared secret, so a token that was signed with a public key as the secret is refused.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { createVerifier } from "fast-jwt";
import { SettingsError } from "../settings-error";

export const issuerAlgorithms = ["RS256", "ES256", "EdDSA"] as const;
type IssuerAlgorithm = (typeof issuerAlgorithms)[number];

/** More keys than this of one issuer are not read: a token that names no key is tried with each of them. */
const MOST_KEYS = 32;
const LEAST_RSA_BITS = 2_048;
/** The clocks of issuers may differ from ours by this time, ms. */
export const LEEWAY_MS = 30_000;

export interface IssuerKey {
  /** Name of the key; undefined: it may have signed a token of any name. */
  kid: string | undefined;
  /** Returns the claims of a token of this key. @throws TokenError of fast-jwt */
  verify(token: string): Record<string, unknown>;
}

/** The keys that may have signed a token of this name; without a name, all. */
export function keysNamed(keys: readonly IssuerKey[], kid: unknown): readonly IssuerKey[] {
  return keys.filter((key) => kid === undefined || key.kid === undefined || key.kid === kid);
}

/** What each key of an issuer must fit. */
export interface KeyRules {
  issuer: string;
  audience?: string | undefined;
  algorithms: readonly IssuerAlgorithm[];
}

/** The key of a file in PEM. @throws SettingsError */
export function readKeyFile(file: string, rules: KeyRules): IssuerKey[] {
  try {
    return [toKey(undefined, createPublicKey(readFileSync(file)), rules)];
  } catch (error) {
    throw new SettingsError(`auth.issuers: no public key in ${file}: ${(error as Error).message}`);
  }
}

/** The keys of a file with a JWKS. @throws SettingsError */
export function readJwksFile(file: string, rules: KeyRules): IssuerKey[] {
  try {
    return keysOf(JSON.parse(readFileSync(file, "utf8")), rules);
  } catch (error) {
    throw new SettingsError(`auth.issuers: no keys in ${file}: ${(error as Error).message}`);
  }
}

/**
 * The keys of a JWKS that can check signatures by an algorithm of the rules; others, as those for encryption, are left out.
 * @throws Error when it is no JWKS, or no key of it can be used
 */
export function keysOf(jwks: unknown, rules: KeyRules): IssuerKey[] {
  const { keys } = (jwks ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error("this is no JWKS: there is no list `keys`");
  const usable = keys.slice(0, MOST_KEYS).flatMap((jwk) => usableKey(jwk, rules));
  if (usable.length === 0) throw new Error(`no key can be used for ${rules.algorithms.join(", ")}`);
  return usable;
}

function usableKey(jwk: Record<string, unknown>, rules: KeyRules): IssuerKey[] {
  try {
    if (jwk["use"] !== undefined && jwk["use"] !== "sig") return [];
    const key = createPublicKey({ key: jwk, format: "jwk" });
    if (jwk["alg"] !== undefined && jwk["alg"] !== algorithmOf(key)) return [];
    return [toKey(typeof jwk["kid"] === "string" ? jwk["kid"] : undefined, key, rules)];
  } catch {
    return [];
  }
}

function toKey(kid: string | undefined, key: KeyObject, { issuer, audience, algorithms }: KeyRules): IssuerKey {
  const algorithm = algorithmOf(key);
  if (!algorithms.includes(algorithm)) throw new Error(`its algorithm would be ${algorithm}`);
  const verify = createVerifier({
    key: key.export({ type: "spki", format: "pem" }),
    algorithms: [algorithm],
    allowedIss: issuer,
    ...(audience === undefined ? {} : { allowedAud: audience }),
    clockTolerance: LEEWAY_MS,
    requiredClaims: ["iss", "sub", "deviceId", "platform", "exp", ...(audience === undefined ? [] : ["aud"])],
  });
  return { kid, verify: (token) => verify(token) as Record<string, unknown> };
}

function algorithmOf(key: KeyObject): IssuerAlgorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === "ed25519") return "EdDSA";
  if (type === "ec" && details?.namedCurve === "prime256v1") return "ES256";
  if (type !== "rsa") throw new Error(`a key of kind ${type} cannot be used: RSA, P-256 and Ed25519 can`);
  if ((details?.modulusLength ?? 0) < LEAST_RSA_BITS) throw new Error(`a key of RSA must have ${LEAST_RSA_BITS} bits`);
  return "RS256";
}
