/** Log-in, fresh tokens, log-out, and the devices that are logged in. */
import { CarillonError } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { callerOf } from "../../http/access";
import { confirmed } from "../../http/checks";
import { deviceId, nothing, platform, strict, time, unconfirmed, userId } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import { logIn, logOut, refresh } from "./devices";

export function sessionRoutes(server: FastifyInstance, api: ApiParts): void {
  giving(server, api);
  ending(server, api);
}

function giving(server: FastifyInstance, api: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.post(
    "/v1/sessions",
    {
      config: { access: "anybody", errors: ["NOT_AUTHENTICATED", "USER_DISABLED", "RATE_LIMITED"] },
      schema: { summary: "Log in a device", tags: ["sessions"], body: logInBody, response: { 200: tokens } },
    },
    async (request) => {
      const given = await logIn(api, request.body, request.ip);
      const { userId, deviceId } = request.body;
      api.logger.debug({ address: request.ip, userId, deviceId }, "a device has logged in");
      return given;
    },
  );

  routes.post(
    "/v1/sessions/refresh",
    {
      config: {
        access: "anybody",
        errors: ["NOT_AUTHENTICATED", "TOKEN_EXPIRED", "TOKEN_REVOKED", "USER_DISABLED", "RATE_LIMITED"],
      },
      schema: {
        summary: "Exchange a refresh token",
        description:
          "The refresh token is void afterwards. Because the answer may be lost, it returns the same successor again until the device has connected, and for 30 s in any case, as long as the successor was not exchanged. Later use revokes all tokens of the device.",
        tags: ["sessions"],
        body: refreshBody,
        response: { 200: tokens },
      },
    },
    (request) => refresh(api, request.body.refreshToken, request.ip),
  );
}

function ending(server: FastifyInstance, api: ApiParts): void {
  const { accounts, credentials } = api;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/sessions",
    {
      config: { access: "user", errors: [] },
      schema: { summary: "List the devices that are logged in", tags: ["sessions"], response: { 200: devices } },
    },
    async (request) => {
      const { userId, deviceId } = callerOf(request);
      const [found, connected] = await Promise.all([accounts.devices(userId), api.presence.connectedDevices(userId)]);
      const items = found.map((device) => {
        // A connected device is seen now, however long ago it logged in.
        const seen = connected.includes(device.deviceId) ? { lastSeenAt: api.clock.now() } : {};
        return { ...device, ...seen, current: device.deviceId === deviceId };
      });
      return { items };
    },
  );

  routes.delete<{ Params: { deviceId: string } }>(
    "/v1/sessions/:deviceId",
    {
      config: { access: "user", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Log out a device; `current` is the calling device",
        description:
          "204: its tokens are void and its connections are closed. 202: its tokens are void; the named gateways have not " +
          "confirmed within 2 s that its connections are closed, and close them as soon as they are reachable.",
        tags: ["sessions"],
        response: { 202: unconfirmed, 204: nothing },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const wanted = request.params.deviceId === "current" ? caller.deviceId : request.params.deviceId;
      const [session] = await credentials.of([{ userId: caller.userId, deviceId: wanted }]);
      if (session?.device === undefined) throw new CarillonError("NOT_FOUND", "no such device ever logged in");
      return confirmed(reply, await logOut(api, caller.userId, wanted));
    },
  );
}

/** Bodies of the requests and answers about sessions. */

/** Any short text may be sent as a password: a wrong form is a wrong password. */
const logInBody = strict({
  userId,
  password: Type.String({ minLength: 1, maxLength: 128 }),
  deviceId,
  platform,
});
const refreshBody = strict({ refreshToken: Type.String({ minLength: 1, maxLength: 512 }) });
export const tokens = Type.Object({
  userId: Type.String(),
  accessToken: Type.String(),
  refreshToken: Type.String(),
  expiresIn: Type.Integer({ description: "Lifetime of the access token, s" }),
});

const devices = Type.Object({
  items: Type.Array(
    Type.Object({
      deviceId: Type.String(),
      platform: Type.String(),
      createdAt: time,
      lastSeenAt: time,
      current: Type.Boolean(),
    }),
  ),
});
