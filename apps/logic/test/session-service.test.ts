import { refusalOf } from "../src/sessions/session-service";

const device = (login: string | undefined, revoked = false) => new Map([["phone", { login, revoked }]]);
const credentials = (devices = device("l2"), status: "normal" | "disabled" | "deleted" = "normal") => ({
  status,
  tokenVersion: 3,
  devices,
});
const token = { userId: "alice", deviceId: "phone", tokenVersion: 3, login: "l2" };

test.each([
  ["a token of the newest log-in", token, credentials(), null],
  ["a token that names no log-in", { ...token, login: undefined }, credentials(), null],
  ["a device that never logged in by password", { ...token, deviceId: "bot" }, credentials(), null],
  ["an older log-in", { ...token, login: "l1" }, credentials(), "TOKEN_REVOKED"],
  ["an older version of the user's tokens", { ...token, tokenVersion: 2 }, credentials(), "TOKEN_REVOKED"],
  ["a token of another issuer", { ...token, tokenVersion: undefined, login: undefined }, credentials(), null],
  ["a revoked device", token, credentials(device(undefined, true)), "TOKEN_REVOKED"],
  ["a user who is disabled", token, credentials(device("l2"), "disabled"), "USER_DISABLED"],
  ["a user who is deleted", token, credentials(device("l2"), "deleted"), "NOT_AUTHENTICATED"],
  ["a user who never was", token, undefined, "NOT_AUTHENTICATED"],
])("%s", (_, session, stored, refusal) => {
  const { login, tokenVersion, ...rest } = session;
  const claims = { ...(login === undefined ? {} : { login }), ...(tokenVersion === undefined ? {} : { tokenVersion }) };
  expect(refusalOf({ ...rest, ...claims }, stored)).toBe(refusal);
});
