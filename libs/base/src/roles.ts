/** The roles of Carillon's processes. */

/**
 * By the name that people read, how a role is called in keys, subjects and heartbeats of NATS. Workers were called "logic"
 * once: nodes of the version before must go on finding them, so that name stays there.
 */
export const ROLES = { gateway: "gateway", worker: "logic", archiver: "archiver", api: "api" } as const;

export type RoleName = keyof typeof ROLES;

/** @param role as it stands in NATS @returns the name that people read; what is not known here stays as it is */
export function roleName(role: string): string {
  return Object.entries(ROLES).find(([, stored]) => stored === role)?.[0] ?? role;
}
