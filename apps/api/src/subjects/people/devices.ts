import { loginIdOf } from "@carillon/base/node";
import { CarillonError, CloseCode, isDeviceId } from "@carillon/protocol";
import type { Account, AccountQueries } from "@carillon/store";
import { newRefreshToken, parseRefreshToken, type RefreshToken, successorsOf } from "../../auth/passwords";
import type { ApiParts } from "../../parts";

export interface Credentials {
  userId: string;
  password: string;
  deviceId: string;
  platform: string;
}

/** The tokens that a device gets at log-in and at each refresh. */
export interface Tokens {
  userId: string;
  accessToken: string;
  refreshToken: string;
  /** Life of the access token, s. */
  expiresIn: number;
}

/**
 * Logs a device in. Log-ins that succeed are counted apart from guesses, so that a crowd behind one address may log in. An
 * unknown user and a wrong password get the same answer after the same work.
 * @throws CarillonError NOT_AUTHENTICATED, USER_DISABLED, RATE_LIMITED, BUSY
 */
export async function logIn(api: ApiParts, credentials: Credentials, address: string): Promise<Tokens> {
  const { accounts, loginLimits, passwords } = api;
  const { userId, password } = credentials;
  let found: Awaited<ReturnType<AccountQueries["findWithPassword"]>>;
  const isRight = await loginLimits.judge(userId, address, async () => {
    found = await accounts.findWithPassword(userId);
    return passwords.matches(found?.passwordHash, password);
  });
  if (!isRight || found === undefined) {
    throw new CarillonError("NOT_AUTHENTICATED", "unknown user or wrong password");
  }
  if (found.account.status === "disabled") throw new CarillonError("USER_DISABLED");
  loginLimits.countLogin(userId);
  return signIn(api, credentials, found.passwordHash);
}

/**
 * Logs in a device of a user without a password: another system vouches for the user.
 * @throws CarillonError BAD_PAYLOAD (a reserved id), NO_SUCH_USER, USER_DISABLED
 */
export async function logInFor(api: ApiParts, login: Omit<Credentials, "password">): Promise<Tokens> {
  const { userId, deviceId } = login;
  if (!isDeviceId(deviceId)) throw new CarillonError("BAD_PAYLOAD", "deviceId: this id is reserved");
  const account = await api.accounts.find(userId);
  if (account === undefined) throw new CarillonError("NO_SUCH_USER");
  if (account.status === "disabled") throw new CarillonError("USER_DISABLED");
  return signIn(api, login);
}

/** @throws CarillonError NOT_AUTHENTICATED when the user was deleted, or their password was changed, at this very moment */
async function signIn(
  api: ApiParts,
  { userId, deviceId, platform }: Omit<Credentials, "password">,
  passwordHash?: string,
): Promise<Tokens> {
  const { accounts, config, presence } = api;
  const most = config.policy.maxDevices;
  const now = api.clock.now();
  const device = { deviceId, platform };
  const refresh = newRefreshToken(userId, deviceId);
  const connected = await presence.connectedDevices(userId);
  const rules = { most, connected, ...(passwordHash === undefined ? {} : { passwordHash }) };
  const token = { ...refresh, expiresAt: now + config.refreshTokenMs };
  const signedIn = await api.signIns.run(() => accounts.signIn(userId, device, token, now, rules), { key: userId });
  if (signedIn === undefined) throw new CarillonError("NOT_AUTHENTICATED", "unknown user or wrong password");
  // A gateway that does not confirm finds out by itself; the device that logs in need not wait.
  for (const idle of signedIn.loggedOut) closeConnections(api, userId, idle).catch(() => {});
  return tokens(api, signedIn.account, device, refresh);
}

/**
 * Exchanges a refresh token for new tokens. The shown token is void afterwards, but returns the same successor for half a minute
 * more. A token that was exchanged before that revokes all tokens of its device: it was stolen, or its successor was.
 * @throws CarillonError NOT_AUTHENTICATED, TOKEN_EXPIRED, TOKEN_REVOKED, USER_DISABLED, RATE_LIMITED, BUSY
 */
export async function refresh(api: ApiParts, token: string, address: string): Promise<Tokens> {
  const { accounts, loginLimits, signIns } = api;
  const shown = parseRefreshToken(token);
  if (shown === undefined) throw new CarillonError("NOT_AUTHENTICATED");
  const { userId, deviceId } = shown;
  loginLimits.countRefresh(shown.family);
  const now = api.clock.now();
  const successors = successorsOf(shown, api.config.secrets);
  const renewed = { hashes: successors.map(({ hash }) => hash), expiresAt: now + api.config.refreshTokenMs };
  const rotate = () => signIns.run(() => accounts.rotate(shown, renewed, now), { key: userId });
  const rotation = await loginLimits.lookUp(address, rotate, ({ kind }) => kind !== "unknown");
  switch (rotation.kind) {
    case "unknown":
      throw new CarillonError("NOT_AUTHENTICATED");
    case "expired":
      throw new CarillonError("TOKEN_EXPIRED");
    case "reused":
      await closeConnections(api, userId, deviceId);
      throw new CarillonError("TOKEN_REVOKED", "this refresh token was used before: log in again");
    case "rotated": {
      if (rotation.account.status === "disabled") throw new CarillonError("USER_DISABLED");
      const next = successors.find(({ hash }) => hash === rotation.hash)!;
      return tokens(api, rotation.account, { deviceId, platform: rotation.platform }, next);
    }
  }
}

/**
 * Revokes the tokens of a device and closes its connections.
 * @returns gateways that have not confirmed that its connections are closed; they will close them
 */
export async function logOut(api: ApiParts, userId: string, deviceId: string): Promise<string[]> {
  await api.accounts.revokeDevice(userId, deviceId, api.clock.now());
  return closeConnections(api, userId, deviceId);
}

function tokens(
  api: ApiParts,
  { userId, tokenVersion }: Account,
  { deviceId, platform }: { deviceId: string; platform: string },
  refreshToken: RefreshToken,
): Tokens {
  const login = loginIdOf(refreshToken.family);
  const accessToken = api.accessTokens.sign({ userId, deviceId, platform, tokenVersion, login });
  return { userId, accessToken, refreshToken: refreshToken.token, expiresIn: api.config.accessTokenSeconds };
}

/** Closes the connections of a device whose tokens are void. @returns gateways that have not confirmed it */
function closeConnections({ changes }: ApiParts, userId: string, deviceId: string): Promise<string[]> {
  return changes.close(userId, { deviceId, closeCode: CloseCode.TOKEN_REVOKED });
}
