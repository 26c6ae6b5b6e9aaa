/** Log-in, fresh tokens, log-out. */
import type { Admission } from "@carillon/base";
import { type Logger, loginIdOf, type OwnClaims } from "@carillon/base/node";
import { CarillonError, isDeviceId } from "@carillon/protocol";
import type { Account, AccountQueries, CredentialQueries } from "@carillon/store";
import type { LoginLimits } from "../../auth/brake";
import {
  newRefreshToken,
  type Passwords,
  parseRefreshToken,
  type RefreshToken,
  successorOf,
} from "../../auth/passwords";

export interface SessionContext {
  accounts: AccountQueries;
  credentials: Pick<CredentialQueries, "of">;
  passwords: Passwords;
  loginLimits: LoginLimits;
  /** Bounds log-ins and refreshes: each locks rows that the caller chooses. */
  signIns: Admission;
  /** Devices of a user that are connected at this moment, as far as is known. */
  connectedDevices(userId: string): Promise<string[]>;
  /** The cluster's key; successors of refresh tokens are computed with it. */
  secret: string;
  accessTokenSeconds: number;
  refreshTokenMs: number;
  /** Most devices of a user that are logged in. */
  mostDevices: number;
  signAccess(claims: OwnClaims): string;
  /** Closes the connections of a device whose tokens are void. @returns gateways that have not confirmed it */
  closeConnections(userId: string, deviceId: string): Promise<string[]>;
  now(): number;
  logger: Pick<Logger, "debug">;
}

export interface Credentials {
  userId: string;
  password: string;
  deviceId: string;
  platform: string;
}

/** What a device gets at log-in and at each refresh. */
export interface Tokens {
  userId: string;
  accessToken: string;
  refreshToken: string;
  /** Life of the access token, s. */
  expiresIn: number;
}

/**
 * Log-ins that succeed are counted apart from guesses, so that a crowd behind one address may log in. An unknown user and
 * a wrong password get the same answer after the same work.
 * @throws CarillonError NOT_AUTHENTICATED, USER_DISABLED, RATE_LIMITED, BUSY
 */
export async function logIn(context: SessionContext, credentials: Credentials, address: string): Promise<Tokens> {
  const { accounts, loginLimits, passwords } = context;
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
  return signIn(context, credentials, found.passwordHash);
}

/**
 * Logs in a device of a user without a password: another system vouches for the user.
 * @throws CarillonError BAD_PAYLOAD (a reserved id), NO_SUCH_USER, USER_DISABLED
 */
export async function logInFor(context: SessionContext, login: Omit<Credentials, "password">): Promise<Tokens> {
  const { userId, deviceId } = login;
  if (!isDeviceId(deviceId)) throw new CarillonError("BAD_PAYLOAD", "deviceId: this id is reserved");
  const account = await context.accounts.find(userId);
  if (account === undefined) throw new CarillonError("NO_SUCH_USER");
  if (account.status === "disabled") throw new CarillonError("USER_DISABLED");
  return signIn(context, login);
}

/** @throws CarillonError NOT_AUTHENTICATED when the user was deleted, or their password was changed, at this very moment */
async function signIn(
  context: SessionContext,
  { userId, deviceId, platform }: Omit<Credentials, "password">,
  passwordHash?: string,
): Promise<Tokens> {
  const { accounts, closeConnections, refreshTokenMs, mostDevices: most } = context;
  const now = context.now();
  const device = { deviceId, platform };
  const refresh = newRefreshToken(userId, deviceId);
  const connected = await context.connectedDevices(userId);
  const rules = { most, connected, ...(passwordHash === undefined ? {} : { passwordHash }) };
  const token = { ...refresh, expiresAt: now + refreshTokenMs };
  const signedIn = await context.signIns.run(() => accounts.signIn(userId, device, token, now, rules), { key: userId });
  if (signedIn === undefined) throw new CarillonError("NOT_AUTHENTICATED", "unknown user or wrong password");
  // A gateway that does not confirm finds out by itself; who logs in has nothing to wait for.
  for (const idle of signedIn.loggedOut) closeConnections(userId, idle).catch(() => {});
  return tokens(context, signedIn.account, device, refresh);
}

/**
 * Exchanges a refresh token for new tokens; the one shown is void afterwards, but brings the same successor for half a
 * minute more. One that was exchanged before revokes all tokens of its device: it was stolen, or its successor was.
 * @throws CarillonError NOT_AUTHENTICATED, TOKEN_EXPIRED, TOKEN_REVOKED, USER_DISABLED, RATE_LIMITED, BUSY
 */
export async function refresh(context: SessionContext, token: string, address: string): Promise<Tokens> {
  const { accounts, loginLimits, signIns } = context;
  const shown = parseRefreshToken(token);
  if (shown === undefined) throw new CarillonError("NOT_AUTHENTICATED");
  const { userId, deviceId } = shown;
  loginLimits.countRefresh(shown.family);
  const now = context.now();
  const next = successorOf(shown, context.secret);
  const renewed = { hash: next.hash, expiresAt: now + context.refreshTokenMs };
  const rotate = () => signIns.run(() => accounts.rotate(shown, renewed, now), { key: userId });
  const rotation = await loginLimits.lookUp(address, rotate, ({ kind }) => kind !== "unknown");
  switch (rotation.kind) {
    case "unknown":
      throw new CarillonError("NOT_AUTHENTICATED");
    case "expired":
      throw new CarillonError("TOKEN_EXPIRED");
    case "reused":
      await context.closeConnections(userId, deviceId);
      throw new CarillonError("TOKEN_REVOKED", "this refresh token was used before: log in again");
    case "rotated":
      if (rotation.account.status === "disabled") throw new CarillonError("USER_DISABLED");
      return tokens(context, rotation.account, { deviceId, platform: rotation.platform }, next);
  }
}

/**
 * Revokes the tokens of a device and closes its connections.
 * @returns gateways that have not confirmed that its connections are closed; they will close them
 */
export async function logOut(context: SessionContext, userId: string, deviceId: string): Promise<string[]> {
  await context.accounts.revokeDevice(userId, deviceId, context.now());
  return context.closeConnections(userId, deviceId);
}

function tokens(
  context: SessionContext,
  { userId, tokenVersion }: Account,
  { deviceId, platform }: { deviceId: string; platform: string },
  refreshToken: RefreshToken,
): Tokens {
  const login = loginIdOf(refreshToken.family);
  const accessToken = context.signAccess({ userId, deviceId, platform, tokenVersion, login });
  return { userId, accessToken, refreshToken: refreshToken.token, expiresIn: context.accessTokenSeconds };
}
