import { addressKey, type Budgets } from "@carillon/base";
import { CarillonError, isUserId } from "@carillon/protocol";
import type { UserQueries } from "@carillon/store";
import type { Passwords } from "../auth/passwords";

export interface RegisterContext {
  people: Pick<UserQueries, "create">;
  passwords: Passwords;
  /** Whether anybody may make an account for themselves. */
  isRegistrationOpen: boolean;
  /** Registrations per address. */
  registrations: Budgets;
  now(): number;
}

/**
 * Makes a user.
 * @throws CarillonError BAD_PAYLOAD (a reserved id), CONFLICT (taken, also by an id that differs in case only),
 *   FORBIDDEN (closed), RATE_LIMITED, BUSY
 */
export async function register(
  context: RegisterContext,
  user: { userId: string; displayName: string; password: string },
  address: string,
): Promise<void> {
  const { userId, displayName, password } = user;
  if (!context.isRegistrationOpen) throw new CarillonError("FORBIDDEN", "registration is closed here");
  if (!isUserId(userId)) throw new CarillonError("BAD_PAYLOAD", "userId: this id is reserved");
  const retryAfterMs = context.registrations.take(addressKey(address));
  if (retryAfterMs > 0) throw new CarillonError("RATE_LIMITED", undefined, { retryAfterMs });
  const passwordHash = await context.passwords.hash(password);
  const created = await context.people.create({ userId, displayName, passwordHash, now: context.now() });
  if (!created) throw new CarillonError("CONFLICT", "this user id is taken");
}
