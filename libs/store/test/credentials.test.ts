import { refusalOf } from "@carillon/store";

const device = (login: string | undefined, revoked = false) => ({ login, revoked });
const user = { status: "normal" as const, role: "user", tokenVersion: 3 };
const known = { ...user, device: device("l2") };
const token = { userId: "alice", deviceId: "phone", tokenVersion: 3, login: "l2" };
const foreign = { userId: "alice", deviceId: "phone" };

// The api and the gateways judge by this one function.
test.each([
  ["a token of the newest log-in", token, known, undefined],
  ["a token that names no log-in", { ...token, login: undefined }, known, undefined],
  ["an own token of a device that never logged in", token, user, "NOT_AUTHENTICATED"],
  ["an older log-in", { ...token, login: "l1" }, known, "TOKEN_REVOKED"],
  ["an older version of the user's tokens", { ...token, tokenVersion: 2 }, known, "TOKEN_REVOKED"],
  ["a token of another issuer", foreign, known, undefined],
  ["a token of another issuer for a device that never logged in", foreign, user, undefined],
  ["a token of another issuer for a revoked device", foreign, { ...user, device: device("l", true) }, "TOKEN_REVOKED"],
  ["a revoked device", token, { ...user, device: device(undefined, true) }, "TOKEN_REVOKED"],
  ["a user who is disabled", token, { ...known, status: "disabled" as const }, "USER_DISABLED"],
  ["a user who is deleted", token, { ...known, status: "deleted" as const }, "NOT_AUTHENTICATED"],
  ["a user who never was", token, undefined, "NOT_AUTHENTICATED"],
])("%s", (_, shown, stored, refusal) => {
  expect(refusalOf(shown, stored)).toBe(refusal);
});
