/** Bodies of the requests and answers about sessions. */
import { Type } from "typebox";
import { deviceId, platform, strict, time, userId } from "../http/shapes";

/** Who logs in may show anything short: a wrong form is a wrong password. */
export const logInBody = strict({
  userId,
  password: Type.String({ minLength: 1, maxLength: 128 }),
  deviceId,
  platform,
});
export const refreshBody = strict({ refreshToken: Type.String({ minLength: 1, maxLength: 512 }) });
export const tokens = Type.Object({
  userId: Type.String(),
  accessToken: Type.String(),
  refreshToken: Type.String(),
  expiresIn: Type.Integer({ description: "Lifetime of the access token, s" }),
});

export const devices = Type.Object({
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
