/**
 * Access tokens: JWT with HS256. A gateway checks them without asking another process. Changes since the token was issued (user
 * disabled, device revoked) are checked when the session is opened, by the token version.
 */
import { createHash } from "node:crypto";
import { createDecoder, createSigner, createVerifier, TOKEN_ERROR_CODES, type TokenError } from "fast-jwt";
import { createIssuerVerifier, type Issuer } from "./issuers";

export interface AccessClaims {
  userId: string;
  deviceId: string;
  platform: string;
  /** Raised when all tokens of the user become void. Absent: another issuer made the token and does not know it. */
  tokenVersion?: number;
  /** The log-in of the device to which the token belongs; a later log-in voids the token. Absent: any log-in. */
  login?: string;
  /** False: operators may not work with tokens of this issuer. */
  mayOperate?: boolean;
}

/** Claims of a token that Carillon issues itself. */
export type OwnClaims = AccessClaims & { tokenVersion: number };

export interface VerifiedToken extends AccessClaims {
  /** ms since the Unix epoch. */
  expiresAt: number;
}

interface Payload {
  sub: string;
  did: string;
  pl: string;
  tv: number;
  lg?: string;
  exp: number;
}

/** @returns a function that issues a token valid for `seconds` */
export function createTokenSigner(secret: string, seconds: number): (claims: OwnClaims) => string {
  const sign = createSigner({ key: secret, algorithm: "HS256", expiresIn: seconds * 1_000 });
  return ({ userId, deviceId, platform, tokenVersion, login }) =>
    sign({ sub: userId, did: deviceId, pl: platform, tv: tokenVersion, ...(login === undefined ? {} : { lg: login }) });
}

/**
 * @param issuers other issuers whose tokens are accepted
 * @returns a function that returns the claims, or the reason why the token is refused
 */
export function createTokenVerifier(
  secret: string,
  issuers: readonly Issuer[] = [],
): (token: string) => VerifiedToken | "expired" | "invalid" {
  const own = createOwnVerifier(secret);
  const others = new Map(issuers.map((issuer) => [issuer.issuer, createIssuerVerifier(issuer)]));
  const decode = createDecoder();
  return (token) => {
    try {
      // The claim only selects the issuer whose key is tried; the key then decides.
      const issuer = others.size === 0 ? undefined : (decode(token) as { iss?: string }).iss;
      return (others.get(issuer ?? "") ?? own)(token);
    } catch (error) {
      return (error as TokenError).code === TOKEN_ERROR_CODES.expired ? "expired" : "invalid";
    }
  };
}

/** It throws fast-jwt's TokenError. */
function createOwnVerifier(secret: string): (token: string) => VerifiedToken {
  const verify = createVerifier({
    key: secret,
    algorithms: ["HS256"],
    requiredClaims: ["sub", "did", "pl", "tv", "exp"],
  });
  return (token) => {
    const { sub, did, pl, tv, lg, exp } = verify(token) as Payload;
    const claims = { userId: sub, deviceId: did, platform: pl, tokenVersion: tv, expiresAt: exp * 1_000 };
    return lg === undefined ? claims : { ...claims, login: lg };
  };
}

/** Names a log-in by its family of refresh tokens, which itself is a secret. 12 characters. */
export function loginIdOf(refreshFamily: string): string {
  return createHash("sha256").update(refreshFamily).digest("hex").slice(0, 12);
}
