/** Bodies of the requests and answers of operators and other systems. */
import { OPERATOR_ROLE } from "@carillon/base/node";
import { Type } from "typebox";
import { chosenTime, deviceId, listOf, platform, strict, time, userId } from "../http/shapes";
import { displayName, password } from "../users/shapes";

export const makeUserBody = strict({
  userId,
  displayName,
  password: Type.Optional(password),
});

export const renameBody = strict({ displayName });

export const muteBody = strict({
  until: chosenTime("ms since 1970-01-01 UTC, in the future; 0: not muted"),
});

export const kickBody = strict({ deviceId: Type.Optional(deviceId) });

export const tokensBody = strict({ userId, deviceId, platform });

export const record = Type.Object({
  userId: Type.String(),
  displayName: Type.String(),
  status: Type.Enum(["normal", "disabled", "deleted"]),
  mutedUntil: time,
  role: Type.String({ examples: ["user"], description: `user or ${OPERATOR_ROLE}` }),
  createdAt: time,
  lastLoginAt: Type.Optional(time),
});

export const records = listOf(record);
