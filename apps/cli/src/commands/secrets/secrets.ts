/** `carillon secrets`: the secrets that sign access tokens; `list`, `rotate`. */
import { randomBytes } from "node:crypto";
import { silentLogger, type TokenSecret, TokenSecrets } from "@carillon/base/node";
import { MysqlStore } from "@carillon/store";
import { type Command, InvalidArgumentError } from "commander";
import { audited } from "../../cluster/audited";
import { type CommonOptions, clusterCommand } from "../../command";
import { refuseSecretVariables, type SecretsConfig, secretsConfig } from "../../config";
import { print, tableOf } from "../../output/print";
import { type AuthSection, rotate } from "./rotation";
import { readSettingsFile, writeSettingsFile } from "./settings-file";

type FileOptions = CommonOptions & { config?: string };

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** A process reads the file again within this time, s. */
const READ_SECONDS = 10;

export function secretsCommand(): Command {
  const command = clusterCommand("secrets", "manage the secrets that sign access tokens");
  command.addCommand(listCommand());
  command.addCommand(rotateCommand());
  return command;
}

function fileCommand(name: string, description: string): Command {
  return clusterCommand(name, description).option("--config <file>", "the carillon.json of the cluster");
}

function listCommand(): Command {
  return fileCommand("list", "list the secrets by name, without the secrets themselves").action(
    (_: FileOptions, command: Command) => {
      const { data, json, config } = command.optsWithGlobals<FileOptions>();
      const { secrets } = secretsConfig(data, config);
      const shown = describe(secrets, Date.now());
      print({ secrets: shown }, json, (document) => {
        const rows = document.secrets.map(({ kid, since, until, state }) => [kid, since, until, state]);
        return tableOf(["kid", "since", "until", "state"], rows);
      });
    },
  );
}

function rotateCommand(): Command {
  return fileCommand("rotate", "add a new secret to carillon.json, and let the former ones end")
    .option("--in <time>", "when the new secret begins to sign: 30s, 5m, 1h, 2d", parseDuration, UNITS_MS.m * 5)
    .option("--revoke", "void the tokens of the former secrets at that time: for a secret that was stolen")
    .action(async (_: FileOptions, command: Command) => {
      const options = command.optsWithGlobals<FileOptions & { in: number; revoke?: boolean }>();
      const cluster = secretsConfig(options.data, options.config);
      refuseSecretVariables();
      const content = readSettingsFile(cluster.file);
      const now = Date.now();
      const auth = rotate((content["auth"] ?? {}) as AuthSection, {
        now,
        beginsAt: now + options.in,
        newSecret: randomBytes(32).toString("base64url"),
        tokenMs: cluster.accessTokenSeconds * UNITS_MS.s,
        keepMs: cluster.refreshTokenDays * UNITS_MS.d,
        revokes: options.revoke === true,
      });
      writeSettingsFile(cluster.file, { ...content, auth });
      const { secrets, mysql } = secretsConfig(options.data, options.config);
      await noteRotation(mysql, secrets.at(-1)!.kid, options.revoke === true);
      print({ file: cluster.file, secrets: describe(secrets, now) }, options.json, explain);
    });
}

/** A rotation needs no cluster that runs: when MySQL is away, it is in the file and not in the audit log. */
async function noteRotation(settings: SecretsConfig["mysql"], kid: string, revokes: boolean): Promise<void> {
  const act = { act: "admin.secret.rotate", whom: `secret:${kid}`, details: { revokes } };
  await audited({ mysql: () => MysqlStore.connect(settings, silentLogger()) }, act, async () => {});
}

interface ShownSecret {
  kid: string;
  /** Times in ISO 8601; null: always, or never. */
  since: string | null;
  until: string | null;
  state: "signs" | "waits" | "accepted" | "over";
}

function describe(secrets: readonly TokenSecret[], now: number): ShownSecret[] {
  const { signing } = new TokenSecrets(secrets, () => now);
  return secrets.map((each) => ({
    kid: each.kid,
    since: each.since === 0 ? null : new Date(each.since).toISOString(),
    until: Number.isFinite(each.until) ? new Date(each.until).toISOString() : null,
    state: each === signing ? "signs" : each.until <= now ? "over" : each.since > now ? "waits" : "accepted",
  }));
}

function explain({ file, secrets }: { file: string; secrets: ShownSecret[] }): string {
  const next = secrets.at(-1)!;
  const former = secrets.slice(0, -1).filter(({ state }) => state !== "over");
  return [
    `the secret ${next.kid} signs access tokens from ${next.since} on`,
    ...former.map(({ kid, until }) => `tokens of ${kid} are good until ${until}`),
    `gateways and apis that use ${file} read it again within ${READ_SECONDS} s; none has to restart`,
    `other machines: copy the file there before ${next.since}`,
    "",
  ].join("\n");
}

function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,5})([smhd])$/.exec(text) ?? [];
  if (unit !== undefined) return Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
  throw new InvalidArgumentError("must be a number with s, m, h or d: 30s, 5m, 1h, 2d");
}
