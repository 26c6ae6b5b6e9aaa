/**
 * Access tokens of other issuers: JWTs that the operator's own log-in signs with a private key that Carillon never sees. Their
 * claims: `iss`, `sub` (the user's id), `deviceId`, `platform`, `exp` (within a day, or within the time of the settings). The
 * user must exist. Whether they may connect is checked when their session is opened, as for Carillon's own tokens.
 */
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createVerifier } from "fast-jwt";
import { SettingsError } from "../settings-error";
import type { Settings } from "../settings-schema";

/** An issuer with their key in PEM. */
export interface Issuer {
  issuer: string;
  publicKey: string;
  /** A token that expires later than this number of seconds from now is refused, because nobody can revoke it. Default: a day. */
  maxTokenSeconds?: number;
  /** Whether operators may work with tokens of this issuer, who could then make anybody an operator. */
  operators?: boolean;
}

const DAY_SECONDS = 86_400;

/** The claims of such a token. */
interface IssuedClaims {
  userId: string;
  deviceId: string;
  platform: string;
  /** ms since the Unix epoch. */
  expiresAt: number;
  /** Whether an operator may work with this token. */
  mayOperate: boolean;
}

const USER_ID = /^[A-Za-z0-9_][A-Za-z0-9_.@|+-]{0,63}$/;
const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** Reads the key of each issuer. @throws SettingsError that names the file that cannot be read or contains no public key */
export function readIssuers(issuers: Settings["auth"]["issuers"]): Issuer[] {
  return issuers.map(({ publicKeyFile, ...issuer }) => {
    try {
      const key = createPublicKey(readFileSync(publicKeyFile));
      return { ...issuer, publicKey: key.export({ type: "spki", format: "pem" }).toString() };
    } catch (error) {
      throw new SettingsError(`auth.issuers: no public key in ${publicKeyFile}: ${(error as Error).message}`);
    }
  });
}

/** @returns a function that returns the claims of a token of this issuer, and throws fast-jwt's TokenError */
export function createIssuerVerifier({
  issuer,
  publicKey,
  maxTokenSeconds = DAY_SECONDS,
  operators = false,
}: Issuer): (token: string) => IssuedClaims | "invalid" {
  // The algorithms follow from the kind of the key: a token signed with the public key as a secret is refused.
  const verify = createVerifier({
    key: publicKey,
    allowedIss: issuer,
    requiredClaims: ["iss", "sub", "deviceId", "platform", "exp"],
  });
  return (token) => {
    const { sub, deviceId, platform, exp } = verify(token) as Record<string, unknown>;
    if (typeof sub !== "string" || !USER_ID.test(sub)) return "invalid";
    if (typeof deviceId !== "string" || !DEVICE_ID.test(deviceId)) return "invalid";
    if (typeof platform !== "string" || typeof exp !== "number") return "invalid";
    if (exp * 1_000 > Date.now() + maxTokenSeconds * 1_000) return "invalid";
    return { userId: sub, deviceId, platform, expiresAt: exp * 1_000, mayOperate: operators };
  };
}
