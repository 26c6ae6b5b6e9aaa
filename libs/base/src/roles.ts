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
