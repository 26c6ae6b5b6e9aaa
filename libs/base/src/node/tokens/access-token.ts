/**
 * Access tokens: JWT with HS256. A gateway checks them without asking another process. Changes since the token was issued (user
 * disabled, device revoked) are checked when the session is opened, by the token version.
 */
import { createHash } from "node:crypto";
import { createSigner, createVerifier, TOKEN_ERROR_CODES, type TokenError } from "fast-jwt";
import { kidOf, type TokenSecret, type TokenSecrets } from "./token-secrets";

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

/** What a token is worth; `unavailable`: the keys of its issuer are not known at this moment. */
export type Verdict = VerifiedToken | "expired" | "invalid" | "unavailable";

interface Payload {
  sub: string;
  did: string;
  pl: string;
  tv: number;
  lg?: string;
  exp: number;
}

type Sign = (claims: OwnClaims) => string;

/** @returns a function that issues a token valid for `seconds` */
export function createTokenSigner(secret: string, seconds: number, kid = kidOf(secret)): Sign {
  const sign = createSigner({ key: secret, kid, algorithm: "HS256", expiresIn: seconds * 1_000 });
  return ({ userId, deviceId, platform, tokenVersion, login }) =>
    sign({ sub: userId, did: deviceId, pl: platform, tv: tokenVersion, ...(login === undefined ? {} : { lg: login }) });
}

/** Issues tokens, each signed with the secret that signs at its moment. */
export class TokenSigner {
  private last: { by: TokenSecret; sign: Sign } | undefined;

  constructor(
    private readonly secrets: TokenSecrets,
    private readonly seconds: number,
  ) {}

  sign(claims: OwnClaims): string {
    const by = this.secrets.signing;
    if (this.last?.by !== by) this.last = { by, sign: createTokenSigner(by.secret, this.seconds, by.kid) };
    return this.last.sign(claims);
  }
}

/** Checks the tokens that Carillon itself has issued. */
export class OwnTokens {
  private readonly verifiers = new Map<string, (token: string) => Payload>();

  constructor(private readonly secrets: TokenSecrets) {}

  /** @param kid name of the secret; without one, as in tokens of earlier versions, every secret is tried */
  verify(token: string, kid: unknown): Verdict {
    for (const each of this.secrets.named(kid)) {
      try {
        const { sub, did, pl, tv, lg, exp } = this.verifierOf(each)(token);
        // The device can have a new token for its refresh token, so it is told the same as at the token's own end.
        if (this.secrets.isOver(each)) return "expired";
        const claims = { userId: sub, deviceId: did, platform: pl, tokenVersion: tv, expiresAt: exp * 1_000 };
        return lg === undefined ? claims : { ...claims, login: lg };
      } catch (error) {
        if (hasExpired(error)) return "expired";
      }
    }
    return "invalid";
  }

  private verifierOf({ secret }: TokenSecret): (token: string) => Payload {
    const known = this.verifiers.get(secret);
    if (known !== undefined) return known;
    const requiredClaims = ["sub", "did", "pl", "tv", "exp"];
    const verify = createVerifier({ key: secret, algorithms: ["HS256"], requiredClaims }) as (token: string) => Payload;
    this.verifiers.set(secret, verify);
    return verify;
  }
}

/** Whether fast-jwt refused a token for its end alone: it checks the signature before. */
export function hasExpired(error: unknown): boolean {
  return (error as TokenError).code === TOKEN_ERROR_CODES.expired;
}

/** Names a log-in by its family of refresh tokens, which itself is a secret. 12 characters. */
export function loginIdOf(refreshFamily: string): string {
  return createHash("sha256").update(refreshFamily).digest("hex").slice(0, 12);
}
