/** Who a person is here whom the OpenID provider has identified. */
import { OPERATOR_ROLE } from "@carillon/base/node";
import type { Bus } from "@carillon/bus";
import { CarillonError, displayNameFault, isUserId, limits } from "@carillon/protocol";
import type { Account, MysqlStore } from "@carillon/store";
import type { OidcSettings } from "../../config";
import type { Claims } from "./provider";

export class OidcUsers {
  constructor(
    private readonly settings: OidcSettings,
    private readonly mysql: Pick<MysqlStore, "accounts" | "users">,
    private readonly bus: Pick<Bus, "logger" | "clock">,
  ) {}

  /**
   * Finds the user of these claims; creates them, makes them an operator, or ends that, as the settings say.
   * @returns the user's id
   * @throws CarillonError FORBIDDEN (the claim is missing, or no user id), NO_SUCH_USER, USER_DISABLED; errors of MySQL
   */
  async find(claims: Claims): Promise<string> {
    const { userClaim } = this.settings;
    const userId = claims[userClaim];
    if (!isUserId(userId)) throw new CarillonError("FORBIDDEN", `the claim ${userClaim} is no user id`);
    const account = (await this.mysql.accounts.find(userId)) ?? (await this.create(userId, claims));
    if (account === undefined) throw new CarillonError("NO_SUCH_USER");
    if (account.status === "disabled") throw new CarillonError("USER_DISABLED");
    await this.giveRole(account, claims);
    return userId;
  }

  /** @returns undefined when users are not created, or there was a user of this id */
  private async create(userId: string, claims: Claims): Promise<Account | undefined> {
    const { createUsers, nameClaim } = this.settings;
    if (!createUsers) return undefined;
    const { accounts, users } = this.mysql;
    const displayName = nameOf(claims[nameClaim]) ?? userId;
    if (await users.create({ userId, displayName, now: this.bus.clock.now() })) {
      this.bus.logger.info({ userId }, "a user was created at their log-in by the OpenID provider");
    }
    return accounts.find(userId);
  }

  private async giveRole({ userId, role }: Account, claims: Claims): Promise<void> {
    const { operatorClaim, operatorValues } = this.settings;
    if (operatorClaim === undefined) return;
    const isOperator = [claims[operatorClaim]].flat().some((value) => operatorValues.includes(value as string));
    if (isOperator === (role === OPERATOR_ROLE)) return;
    await this.mysql.users.setRole(userId, isOperator ? OPERATOR_ROLE : "user");
    this.bus.logger.info({ userId, isOperator }, "the OpenID provider decided whether a user is an operator");
  }
}

/** @returns undefined when the claim is no name that a user can have */
function nameOf(claim: unknown): string | undefined {
  if (typeof claim !== "string") return undefined;
  const name = [...claim.trim()].slice(0, limits.maxNameCharacters).join("");
  return name === "" || displayNameFault(name) !== undefined ? undefined : name;
}
