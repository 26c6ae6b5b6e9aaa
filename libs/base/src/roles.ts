/** The roles of Carillon's processes. */

/**
 * The names of the roles in keys, subjects and heartbeats of NATS, by the names that people read. Workers were called "logic" in
 * an earlier version; its nodes must still find them, so that name stays in NATS.
 */
export const ROLES = { gateway: "gateway", worker: "logic", archiver: "archiver", api: "api" } as const;

export type RoleName = keyof typeof ROLES;

/** @param role name in NATS @returns the name that people read; an unknown name stays as it is */
export function roleName(role: string): string {
  return Object.entries(ROLES).find(([, stored]) => stored === role)?.[0] ?? role;
}

/** Who has an account of their own at NATS, Redis and MySQL: each role of a process, and `operator`, the command line. */
export type AccountRole = RoleName | "operator";

export const ACCOUNT_ROLES: readonly AccountRole[] = ["gateway", "worker", "archiver", "api", "operator"];

/** Name of the account at all three stores. */
export const accountOf = (role: AccountRole): string => `carillon-${role}`;

/** The beginning of the subjects on which a role receives answers; no other role may listen there. */
export const inboxOf = (role: AccountRole): string => `_INBOX.${accountOf(role)}`;
