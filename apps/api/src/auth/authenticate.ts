/** Who is asking: the access token of a request, and whether its session is still good. */
import { type AccessClaims, createTokenVerifier } from "@carillon/base/node";
import { CarillonError } from "@carillon/protocol";
import type { AccountQueries } from "@carillon/store";

/** A person on a device, as the token says. */
export type Caller = Pick<AccessClaims, "userId" | "deviceId">;

const BEARER = /^Bearer +([^\s]+)$/i;

export class Authenticator {
  private readonly verify: (token: string) => AccessClaims | "expired" | "invalid";

  constructor(
    secret: string,
    private readonly accounts: Pick<AccountQueries, "session">,
  ) {
    this.verify = createTokenVerifier(secret);
  }

  /**
   * Checks the token alone: enough where a later step checks the session again, and works while MySQL is away.
   * @param authorization the header's value
   * @throws CarillonError NOT_AUTHENTICATED, TOKEN_EXPIRED
   */
  readToken(authorization: string | undefined): AccessClaims {
    const token = BEARER.exec(authorization ?? "")?.[1];
    if (token === undefined) throw new CarillonError("NOT_AUTHENTICATED", "an access token is needed");
    const claims = this.verify(token);
    if (claims === "expired") throw new CarillonError("TOKEN_EXPIRED");
    if (claims === "invalid") throw new CarillonError("NOT_AUTHENTICATED");
    return claims;
  }

  /**
   * Checks the token and its session.
   * @throws CarillonError NOT_AUTHENTICATED, TOKEN_EXPIRED, TOKEN_REVOKED, USER_DISABLED; errors of MySQL
   */
  async authenticate(authorization: string | undefined): Promise<Caller> {
    const { userId, deviceId, tokenVersion, login } = this.readToken(authorization);
    const session = await this.accounts.session(userId, deviceId);
    if (session === undefined) throw new CarillonError("NOT_AUTHENTICATED");
    if (session.status === "disabled") throw new CarillonError("USER_DISABLED");
    const isOlderLogin = login !== undefined && login !== session.login;
    if (session.revoked || isOlderLogin || session.tokenVersion !== tokenVersion)
      throw new CarillonError("TOKEN_REVOKED");
    return { userId, deviceId };
  }
}
