/**
 * The OpenID provider by which people log in. Its addresses and keys are read from its configuration at the first log-in, so that
 * an api starts while the provider is away.
 */
import { busy } from "@carillon/protocol";
import {
  AuthorizationResponseError,
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientError,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  calculatePKCECodeChallenge,
  clockTolerance,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  ResponseBodyError,
  randomNonce,
  randomPKCECodeVerifier,
} from "openid-client";
import type { OidcSettings } from "../../config";

/** Claims of a person whom the provider has identified. */
export type Claims = Record<string, unknown>;

/** What the api must remember of a log-in until the provider has answered. */
export interface Asked {
  nonce: string;
  /** Secret of PKCE: the provider gives tokens only to whom began the log-in. */
  verifier: string;
}

/** The provider says that there is no log-in; `code` is its error. */
export class LoginRefused extends Error {
  constructor(
    readonly code: string,
    cause: Error,
  ) {
    super(`the provider refused the log-in: ${code}`, { cause });
    this.name = "LoginRefused";
  }
}

const ANSWER_SECONDS = 5;
/** The clock of the provider may differ by this time, s. */
const LEEWAY_SECONDS = 30;
/** Between two attempts to read the provider's configuration, ms. */
const PAUSE_MS = 2_000;

/** Codes of errors after which nothing is known of the log-in: no answer came, or a failure of the provider. */
const NO_ANSWER = ["OAUTH_TIMEOUT", "OAUTH_ABORT", "OAUTH_RESPONSE_IS_NOT_CONFORM"];

const AUTHENTICATION = { client_secret_basic: ClientSecretBasic, client_secret_post: ClientSecretPost } as const;

export class OpenIdProvider {
  private configuration: Promise<Configuration> | undefined;
  private triedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly settings: OidcSettings,
    private readonly monotonic: () => number,
  ) {}

  /**
   * Begins a log-in.
   * @param state comes back with the answer
   * @returns the address to which the browser goes, and what `finish` needs
   * @throws CarillonError BUSY when the provider cannot be reached
   */
  async begin(state: string): Promise<{ url: URL; asked: Asked }> {
    const configuration = await this.configured();
    const asked = { nonce: randomNonce(), verifier: randomPKCECodeVerifier() };
    const url = buildAuthorizationUrl(configuration, {
      redirect_uri: this.settings.callbackUrl,
      scope: this.settings.scopes.join(" "),
      code_challenge: await calculatePKCECodeChallenge(asked.verifier),
      code_challenge_method: "S256",
      nonce: asked.nonce,
      state,
    });
    return { url, asked };
  }

  /**
   * Exchanges the provider's answer for the claims of the person.
   * @param query of the callback, with its `?`
   * @throws LoginRefused; CarillonError BUSY when the provider cannot be reached
   */
  async finish(query: string, state: string, asked: Asked): Promise<Claims> {
    const configuration = await this.configured();
    const answer = new URL(this.settings.callbackUrl);
    answer.search = query;
    try {
      const tokens = await authorizationCodeGrant(configuration, answer, {
        expectedState: state,
        expectedNonce: asked.nonce,
        pkceCodeVerifier: asked.verifier,
        idTokenExpected: true,
      });
      const claims: Claims = { ...tokens.claims() };
      if (!this.lacks(claims) || configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
      const more = await fetchUserInfo(configuration, tokens.access_token, String(claims["sub"]));
      return { ...more, ...claims };
    } catch (error) {
      throw refusalOf(error as Error);
    }
  }

  /** Whether a claim of the settings is missing: many providers tell some only where the access token is shown. */
  private lacks(claims: Claims): boolean {
    const { userClaim, nameClaim, operatorClaim, createUsers } = this.settings;
    const wanted = [
      userClaim,
      ...(createUsers ? [nameClaim] : []),
      ...(operatorClaim === undefined ? [] : [operatorClaim]),
    ];
    return wanted.some((claim) => claims[claim] === undefined);
  }

  private configured(): Promise<Configuration> {
    if (this.configuration !== undefined) return this.configuration;
    const now = this.monotonic();
    if (now - this.triedAt < PAUSE_MS) throw busy({ message: "the OpenID provider cannot be reached" });
    this.triedAt = now;
    this.configuration = this.discover().catch((cause: Error) => {
      this.configuration = undefined;
      throw busy({ message: "the OpenID provider cannot be reached", cause });
    });
    return this.configuration;
  }

  private discover(): Promise<Configuration> {
    const { issuer, clientId, clientSecret, clientAuthentication } = this.settings;
    const authentication = clientSecret === undefined ? None() : AUTHENTICATION[clientAuthentication](clientSecret);
    const url = new URL(issuer);
    return discovery(url, clientId, { [clockTolerance]: LEEWAY_SECONDS }, authentication, {
      timeout: ANSWER_SECONDS,
      // The settings say `http:`; production mode refuses that off this machine.
      execute: [enableNonRepudiationChecks, ...(url.protocol === "http:" ? [allowInsecureRequests] : [])],
    });
  }
}

/** What an error of the exchange means: the provider's own refusal, an answer that is not right, or no answer. */
function refusalOf(error: Error): Error {
  if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError) {
    return new LoginRefused(error.error, error);
  }
  const isAnswer = error instanceof ClientError && error.code !== undefined && !NO_ANSWER.includes(error.code);
  if (isAnswer) return new LoginRefused("invalid_answer", error);
  return busy({ message: "the OpenID provider cannot be reached", cause: error });
}
