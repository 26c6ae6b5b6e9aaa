/**
 * Access tokens: JWT with HS256. A gateway checks them without asking anybody; what changed since the token was
 * made (user disabled, device revoked) is checked where the session is opened, by the token version.
 */
import { createSigner, createVerifier, TOKEN_ERROR_CODES, type TokenError } from "fast-jwt";

export interface AccessClaims {
  userId: string;
  deviceId: string;
  platform: string;
  /** Raised when all tokens of the user become void. */
  tokenVersion: number;
}

export interface VerifiedToken extends AccessClaims {
  /** ms since the Unix epoch. */
  expiresAt: number;
}

interface Payload {
  sub: string;
  did: string;
  pl: string;
  tv: number;
  exp: number;
}

/** @returns a function that makes a token valid for `seconds` */
export function createTokenSigner(secret: string, seconds: number): (claims: AccessClaims) => string {
  const sign = createSigner({ key: secret, algorithm: "HS256", expiresIn: seconds * 1_000 });
  return ({ userId, deviceId, platform, tokenVersion }) =>
    sign({ sub: userId, did: deviceId, pl: platform, tv: tokenVersion });
}

/** @returns a function that gives the claims, or why the token is no good */
export function createTokenVerifier(secret: string): (token: string) => VerifiedToken | "expired" | "invalid" {
  const verify = createVerifier({
    key: secret,
    algorithms: ["HS256"],
    requiredClaims: ["sub", "did", "pl", "tv", "exp"],
  });
  return (token) => {
    try {
      const { sub, did, pl, tv, exp } = verify(token) as Payload;
      return { userId: sub, deviceId: did, platform: pl, tokenVersion: tv, expiresAt: exp * 1_000 };
    } catch (error) {
      return (error as TokenError).code === TOKEN_ERROR_CODES.expired ? "expired" : "invalid";
    }
  };
}
