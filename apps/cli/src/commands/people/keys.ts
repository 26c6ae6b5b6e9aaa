/** `carillon keys`: manages the API keys of other systems; `create`, `list`, `revoke`. */
import { apiKeyScopes, newApiKey } from "@carillon/base/node";
import { limits, nameFault } from "@carillon/protocol";
import type { KeyRecord } from "@carillon/store";
import { type Command, InvalidArgumentError } from "commander";
import { audited } from "../../cluster/audited";
import { withCluster } from "../../cluster/open-cluster";
import { type CommonOptions, clusterCommand } from "../../command";
import { WrongUse } from "../../output/failures";
import { print, tableOf } from "../../output/print";

export function keysCommand(): Command {
  const command = clusterCommand("keys", "manage API keys of other systems");
  command.addCommand(createCommand());
  command.addCommand(listCommand());
  command.addCommand(revokeCommand());
  return command;
}

function createCommand(): Command {
  return clusterCommand("create", "create a key; it is shown once")
    .argument("<name>", "name of the key, for people", parseName)
    .requiredOption("--scopes <scopes>", `scopes, separated by commas: ${apiKeyScopes.join(", ")}`, parseScopes)
    .action(async (name: string, _: CommonOptions, command: Command) => {
      const { data, json, scopes } = command.optsWithGlobals<CommonOptions & { scopes: string[] }>();
      const { id, key, secretHash } = newApiKey();
      const act = { act: "admin.key.create", whom: `key:${id}`, details: { name, scopes } };
      await withCluster(data, (cluster) =>
        audited(cluster, act, async () => {
          const { keys } = await cluster.mysql();
          await keys.create({ id, name, secretHash, scopes, now: cluster.bus.clock.now() });
        }),
      );
      const aboutIt = `key ${id} (${scopes.join(", ")}); it cannot be shown again`;
      print({ id, name, scopes, key }, json, () => `${aboutIt}:\n${key}\n`);
    });
}

function listCommand(): Command {
  return clusterCommand("list", "list all keys, the oldest first").action(
    async (_: CommonOptions, command: Command) => {
      const { data, json } = command.optsWithGlobals<CommonOptions>();
      const keys = await withCluster(data, async (cluster) => (await cluster.mysql()).keys.list());
      print({ keys }, json, (shown) => (keys.length === 0 ? "there are no keys\n" : describeKeys(shown.keys)));
    },
  );
}

function revokeCommand(): Command {
  return clusterCommand("revoke", "revoke a key for good")
    .argument("<id>", "id of the key, as the list shows it")
    .action(async (id: string, _: CommonOptions, command: Command) => {
      const { data, json } = command.optsWithGlobals<CommonOptions>();
      await withCluster(data, (cluster) =>
        audited(cluster, { act: "admin.key.revoke", whom: `key:${id}` }, async () => {
          const isThere = await (await cluster.mysql()).keys.revoke(id, cluster.bus.clock.now());
          if (!isThere) throw new WrongUse(`there is no key ${id}; carillon keys list shows them`);
        }),
      );
      print({ id, revoked: true }, json, () => `key ${id} is void\n`);
    });
}

function parseScopes(text: string): string[] {
  const scopes = [...new Set(text.split(",").map((scope) => scope.trim()))];
  const unknown = scopes.find((scope) => !(apiKeyScopes as readonly string[]).includes(scope));
  if (unknown === undefined) return scopes;
  throw new InvalidArgumentError(`unknown scope ${unknown}; the scopes are ${apiKeyScopes.join(", ")}`);
}

function parseName(text: string): string {
  const { length } = [...text];
  if (length < 1 || length > limits.maxNameCharacters) {
    throw new InvalidArgumentError(`must have 1 to ${limits.maxNameCharacters} characters`);
  }
  const fault = nameFault(text);
  if (fault !== undefined) throw new InvalidArgumentError(fault);
  return text;
}

function describeKeys(keys: KeyRecord[]): string {
  const time = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  const rows = keys.map(({ id, name, scopes, createdAt, lastUsedAt, revokedAt }) => {
    return [id, name, scopes.join(" "), time(createdAt), time(lastUsedAt), time(revokedAt)];
  });
  return tableOf(["id", "name", "scopes", "created", "last used", "revoked"], rows);
}
