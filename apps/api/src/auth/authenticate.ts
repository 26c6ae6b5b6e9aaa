/** Finds out who calls: checks the access token of a request, and whether its session is still good. */
import {
  type AccessClaims,
  type ApiKeyScope,
  isSameSecret,
  OPERATOR_ROLE,
  parseApiKey,
  type TokenVerifier,
} from "@carillon/base/node";
import { busy, CarillonError } from "@carillon/protocol";
import { type CredentialQueries, type KeyQueries, refusalOf } from "@carillon/store";
import type { LoginLimits } from "./brake";

/** A person on a device, as the token says. */
export type Caller = Pick<AccessClaims, "userId" | "deviceId">;

/** The last use of a key is information for people; it is written at most once in this time, ms. */
const USED_EVERY_MS = 60_000;

const KEY = "ck_";
const BEARER = /^Bearer +([^\s]+)$/i;

export class Authenticator {
  constructor(
    private readonly tokens: Pick<TokenVerifier, "verify">,
    private readonly credentials: Pick<CredentialQueries, "of">,
    private readonly keys: Pick<KeyQueries, "find" | "used">,
    private readonly loginLimits: Pick<LoginLimits, "lookUp">,
    private readonly now: () => number,
  ) {}

  /**
   * Checks the token alone: enough where a later step checks the session again, and works while MySQL is away.
   * @param authorization the header's value
   * @throws CarillonError NOT_AUTHENTICATED, TOKEN_EXPIRED, BUSY (the keys of another issuer are not known at this moment)
   */
  readToken(authorization: string | undefined): AccessClaims {
    const token = bearerOf(authorization);
    if (token === undefined) throw new CarillonError("NOT_AUTHENTICATED", "an access token is needed");
    if (token.startsWith(KEY)) {
      throw new CarillonError("NOT_AUTHENTICATED", "this takes the access token of a user, and an API key was shown");
    }
    const claims = this.tokens.verify(token);
    if (claims === "expired") throw new CarillonError("TOKEN_EXPIRED");
    if (claims === "invalid") throw new CarillonError("NOT_AUTHENTICATED");
    if (claims === "unavailable") throw busy();
    return claims;
  }

  /**
   * Checks the session of a token that is good by itself.
   * @throws CarillonError NOT_AUTHENTICATED, TOKEN_REVOKED, USER_DISABLED; errors of MySQL
   */
  async checkSession(claims: AccessClaims): Promise<Caller & { role: string }> {
    const [known] = await this.credentials.of([claims]);
    const refused = refusalOf(claims, known);
    if (refused !== undefined || known === undefined) throw new CarillonError(refused ?? "NOT_AUTHENTICATED");
    const { userId, deviceId } = claims;
    return { userId, deviceId, role: known.role };
  }

  /**
   * Lets in operators only.
   * @returns the operator's id, for the log
   * @throws CarillonError FORBIDDEN; as `checkSession`
   */
  async checkOperator(claims: AccessClaims): Promise<string> {
    const { userId, role } = await this.checkSession(claims);
    if (role !== OPERATOR_ROLE || claims.mayOperate === false) throw new CarillonError("FORBIDDEN", "operators only");
    return `user:${userId}`;
  }

  /**
   * Lets in only a key with this scope.
   * @param address of the caller: wrong keys are counted by it
   * @returns the key's name, for the log
   * @throws CarillonError NOT_AUTHENTICATED, TOKEN_REVOKED, FORBIDDEN, RATE_LIMITED; errors of MySQL
   */
  async authorizeKey(authorization: string | undefined, scope: ApiKeyScope, address: string): Promise<string> {
    const shown = parseApiKey(bearerOf(authorization) ?? "");
    if (shown === undefined) throw new CarillonError("NOT_AUTHENTICATED", "an API key is needed");
    const isGood = (found: Awaited<ReturnType<KeyQueries["find"]>>) =>
      found !== undefined && isSameSecret(found.secretHash, shown.secretHash);
    const key = await this.loginLimits.lookUp(address, () => this.keys.find(shown.id), isGood);
    if (key === undefined || !isGood(key)) throw new CarillonError("NOT_AUTHENTICATED", "there is no such API key");
    if (key.revokedAt !== undefined) throw new CarillonError("TOKEN_REVOKED", "this API key was revoked");
    if (!key.scopes.includes(scope)) throw new CarillonError("FORBIDDEN", `this API key has not the scope ${scope}`);
    const now = this.now();
    if ((key.lastUsedAt ?? 0) < now - USED_EVERY_MS) await this.keys.used(key.id, now);
    return `key:${key.id}`;
  }
}

function bearerOf(authorization: string | undefined): string | undefined {
  return BEARER.exec(authorization ?? "")?.[1];
}

/** Whether the caller shows an API key, and not the token of a person. */
export const isKey = (authorization: string | undefined) => bearerOf(authorization)?.startsWith(KEY) === true;
