/** Who a person is here whom the OpenID provider has identified. */
import { OPERATOR_ROLE } from "@carillon/base/node";
import { CarillonError, displayNameFault, isUserId, limits } from "@carillon/protocol";
import type { Account } from "@carillon/store";
import type { Claims } from "../../auth/oidc/provider";
import type { OidcSettings } from "../../config";
import type { ApiParts } from "../../parts";

type UserParts = Pick<ApiParts, "accounts" | "people" | "clock" | "logger">;

/**
 * Finds the user of these claims; creates them, makes them an operator, or ends that, as the settings say.
 * @throws CarillonError FORBIDDEN (a claim is missing, or no user id), NO_SUCH_USER, USER_DISABLED
 */
export async function userOf(api: UserParts, settings: OidcSettings, claims: Claims): Promise<string> {
  const userId = claims[settings.userClaim];
  if (!isUserId(userId)) throw new CarillonError("FORBIDDEN", `the claim ${settings.userClaim} is no user id`);
  const account = (await api.accounts.find(userId)) ?? (await create(api, settings, userId, claims));
  if (account === undefined) throw new CarillonError("NO_SUCH_USER");
  if (account.status === "disabled") throw new CarillonError("USER_DISABLED");
  await giveRole(api, settings, account, claims);
  return userId;
}

/** @returns undefined when users are not created, or there was a user of this id */
async function create(
  { people, accounts, clock, logger }: UserParts,
  { createUsers, nameClaim }: OidcSettings,
  userId: string,
  claims: Claims,
): Promise<Account | undefined> {
  if (!createUsers) return undefined;
  const displayName = nameOf(claims[nameClaim]) ?? userId;
  if (await people.create({ userId, displayName, now: clock.now() })) {
    logger.info({ userId }, "a user was created at their log-in by the OpenID provider");
  }
  return accounts.find(userId);
}

/** @returns undefined when the claim is no name that a user can have */
function nameOf(claim: unknown): string | undefined {
  if (typeof claim !== "string") return undefined;
  const name = [...claim.trim()].slice(0, limits.maxNameCharacters).join("");
  return name === "" || displayNameFault(name) !== undefined ? undefined : name;
}

async function giveRole(
  { people, logger }: UserParts,
  { operatorClaim, operatorValues }: OidcSettings,
  { userId, role }: Account,
  claims: Claims,
): Promise<void> {
  if (operatorClaim === undefined) return;
  const isOperator = [claims[operatorClaim]].flat().some((value) => operatorValues.includes(value as string));
  if (isOperator === (role === OPERATOR_ROLE)) return;
  await people.setRole(userId, isOperator ? OPERATOR_ROLE : "user");
  logger.info({ userId, isOperator }, "the OpenID provider decided whether a user is an operator");
}
