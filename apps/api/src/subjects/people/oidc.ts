/** Log-in by an OpenID provider. `auth/oidc/log-ins.ts` says how the three routes work together. */
import { addressKey } from "@carillon/base";
import { CarillonError } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance, FastifyReply } from "fastify";
import { Type } from "typebox";
import { LOGIN_SECONDS, type OidcLogIns } from "../../auth/oidc/log-ins";
import { mustPay } from "../../http/must-pay";
import { deviceId, nothing, platform, strict } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import { logInFor } from "./devices";
import { tokens } from "./sessions";

const COOKIE = "carillon_oidc";
const TAGS = ["sessions"];

export function oidcRoutes(server: FastifyInstance, api: ApiParts): void {
  asking(server, api);
  redeeming(server, api);
}

function asking(server: FastifyInstance, api: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/oidc/login",
    {
      config: { access: "anybody", errors: ["NOT_FOUND", "RATE_LIMITED"] },
      schema: {
        summary: "Send a browser to the OpenID provider",
        description:
          "For a browser, not for `fetch`: the answer leads to the provider, and sets a cookie. `returnTo` is a page of " +
          "`auth.oidc.returnTo` (default: the first); the browser comes back there with `#code=...`, or with `#error=...`.",
        tags: TAGS,
        querystring: loginQuery,
        response: { 302: nothing },
      },
    },
    async (request, reply) => {
      const logIns = configured(api);
      mustPay(api.oidcBudgets.take(addressKey(request.ip)));
      const { url, browser } = await logIns.begin(request.query, cookieOf(request.headers.cookie));
      reply.header("set-cookie", cookie(browser, logIns.settings.callbackUrl));
      return leadTo(reply, url.href);
    },
  );

  routes.get(
    "/v1/oidc/callback",
    {
      config: { access: "anybody", errors: ["NOT_FOUND", "NOT_AUTHENTICATED"] },
      schema: {
        summary: "Take the answer of the OpenID provider",
        description: "The provider sends the browser here; it goes on to the page that began the log-in.",
        tags: TAGS,
        querystring: callbackQuery,
        response: { 302: nothing },
      },
    },
    async (request, reply) => {
      const logIns = configured(api);
      const { search } = new URL(request.url, "http://api");
      const { state } = request.query;
      return leadTo(reply, await logIns.finish(search, state, cookieOf(request.headers.cookie)));
    },
  );
}

function redeeming(server: FastifyInstance, api: ApiParts): void {
  server.withTypeProvider<TypeBoxTypeProvider>().post(
    "/v1/oidc/sessions",
    {
      config: {
        access: "anybody",
        errors: ["NOT_FOUND", "NOT_AUTHENTICATED", "NO_SUCH_USER", "USER_DISABLED", "RATE_LIMITED"],
      },
      schema: {
        summary: "Log in a device by the code of a log-in at the OpenID provider",
        description: "The code is good once, for a minute. The tokens are as those of a log-in by password.",
        tags: TAGS,
        body: redeemBody,
        response: { 200: tokens },
      },
    },
    async (request) => {
      const { code, verifier, deviceId, platform } = request.body;
      const logIns = configured(api);
      const redeem = () => logIns.redeem(code, verifier);
      const userId = await api.loginLimits.lookUp(request.ip, redeem, (found) => found !== undefined);
      if (userId === undefined) throw new CarillonError("NOT_AUTHENTICATED", "there is no such code: begin again");
      api.loginLimits.countLogin(userId);
      return logInFor(api, { userId, deviceId, platform });
    },
  );
}

function configured({ oidc }: ApiParts): OidcLogIns {
  if (oidc === undefined) throw new CarillonError("NOT_FOUND", "there is no log-in by an OpenID provider here");
  return oidc;
}

function leadTo(reply: FastifyReply, address: string): FastifyReply {
  return reply.header("cache-control", "no-store").redirect(address, 302);
}

function cookieOf(header: string | undefined): string | undefined {
  return new RegExp(`(?:^|; ?)${COOKIE}=([A-Za-z0-9]+)`).exec(header ?? "")?.[1];
}

/** It is sent to the callback only, also when the provider's page leads there, and no script can read it. */
function cookie(value: string, callbackUrl: string): string {
  const { protocol, pathname } = new URL(callbackUrl);
  const path = pathname.slice(0, pathname.lastIndexOf("/")) || "/";
  const secure = protocol === "https:" ? "; Secure" : "";
  return `${COOKIE}=${value}; Path=${path}; Max-Age=${LOGIN_SECONDS}; HttpOnly; SameSite=Lax${secure}`;
}

/** Queries and body, as JSON Schema. */

const loginQuery = strict({
  returnTo: Type.Optional(Type.String({ minLength: 1, maxLength: 2_048 })),
  challenge: Type.String({
    pattern: "^[A-Za-z0-9_-]{43}$",
    description: "base64url of the SHA-256 of `verifier`, which the page keeps",
  }),
});

/** A provider may add parameters of its own. */
const callbackQuery = Type.Object({ state: Type.String({ minLength: 1, maxLength: 256 }) });

const redeemBody = strict(
  {
    code: Type.String({ pattern: "^[A-Za-z0-9]{1,64}$" }),
    verifier: Type.String({
      pattern: "^[A-Za-z0-9._~-]{43,128}$",
      description: "The secret whose digest was `challenge`",
    }),
    deviceId,
    platform,
  },
  {
    code: "Vb2nQ0aB7kLmJx3nQ0aB7kLmJx3nQ0aB",
    verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    deviceId: "phone",
    platform: "ios",
  },
);
