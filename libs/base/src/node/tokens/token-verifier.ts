/** Checks the access tokens that clients show: Carillon's own, and those of other issuers. */
import { createDecoder } from "fast-jwt";
import { OwnTokens, type Verdict } from "./access-token";
import type { Issuers } from "./issuers";
import type { TokenSecrets } from "./token-secrets";

export class TokenVerifier {
  private readonly own: OwnTokens;
  private readonly decode = createDecoder({ complete: true });

  constructor(
    secrets: TokenSecrets,
    private readonly issuers: Issuers,
  ) {
    this.own = new OwnTokens(secrets);
  }

  verify(token: string): Verdict {
    try {
      // Claim and header only select the keys that are tried; the keys then decide.
      const { header, payload } = this.decode(token) as { header: { kid?: unknown }; payload: { iss?: unknown } };
      const issuer = this.issuers.of(payload.iss);
      return issuer === undefined ? this.own.verify(token, header.kid) : issuer.verify(token, header.kid);
    } catch {
      return "invalid";
    }
  }
}
