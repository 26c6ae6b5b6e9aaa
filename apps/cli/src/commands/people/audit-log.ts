/** `carillon audit-log`: what operators, API keys and admins of groups did to others, the newest first. */
import type { AuditFilter, StoredAuditEntry } from "@carillon/store";
import { type Command, InvalidArgumentError } from "commander";
import { withCluster } from "../../cluster/open-cluster";
import { type CommonOptions, clusterCommand, parseCount } from "../../command";
import { print, tableOf } from "../../output/print";

const DEFAULT_LIMIT = 100;
const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const ABOUT = `
WHO and WHOM have a kind in front of the name: user:alice, key:ID, shell:root; group:choir, message:p:alice:bob#7, node:gateway-1.
A group as WHOM also finds what was done to its members. A time is like 2026-11-30T12:00:00Z, or 30m, 12h, 7d ago.`;

export function auditLogCommand(): Command {
  return clusterCommand("audit-log", "list what operators, API keys and admins of groups did to others, newest first")
    .option("--who <who>", "only acts of this caller")
    .option("--whom <whom>", "only acts on this user, group, ...")
    .option("--act <act>", "only this act, such as admin.user.disable")
    .option("--since <time>", "only acts from this time on", parseTime)
    .option("--until <time>", "only acts before this time", parseTime)
    .option("--limit <n>", `maximum number of entries (default ${DEFAULT_LIMIT})`, parseCount)
    .addHelpText("after", ABOUT)
    .action(async ({ data, json, limit, ...filter }: CommonOptions & AuditFilter & { limit?: number }) => {
      const entries = await withCluster(data, async (cluster) =>
        (await cluster.mysql()).auditLog.page(filter, limit ?? DEFAULT_LIMIT),
      );
      print({ entries }, json, (shown) => (entries.length === 0 ? "there are no entries\n" : describe(shown.entries)));
    });
}

function parseTime(text: string): number {
  const [, count, unit] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const at =
    unit === undefined ? Date.parse(text) : Date.now() - Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
  if (Number.isNaN(at)) throw new InvalidArgumentError("must be like 2026-11-30T12:00:00Z, 30m, 12h or 7d");
  return at;
}

function describe(entries: StoredAuditEntry[]): string {
  const rows = entries.map(({ at, who, from, act, whom, place, result, details }) => {
    const object = [whom, place].filter(Boolean).join(" in ");
    const values = details === undefined ? null : JSON.stringify(details);
    return [new Date(at).toISOString(), who, from, act, object || null, result, values];
  });
  return tableOf(["time", "who", "from", "act", "whom", "result", "values"], rows);
}
