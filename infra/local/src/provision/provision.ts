import { existsSync } from "node:fs";
import path from "node:path";
import { withLock } from "@carillon/base/process-lock";
import { findCheckout } from "../checkout";
import type { PrivateApt } from "./apt";
import { libraryEnvironment, type PackageSet, unpackPackages } from "./unpack";
import { ask, compareVersions, findVersion } from "./version";

/**
 * Finds the three servers, in this order: a suitable binary on the PATH; a binary that was unpacked earlier into
 * `.carillon/servers`; Debian's packages, which a private apt downloads and which are unpacked there. Nothing is installed, no
 * service is started, and no rights are needed.
 *
 * Edge cases. Two processes may provision at once: a lock makes the second find the servers that the first unpacked. Redis and
 * MariaDB come from the machine's own release, because they need its libraries. nats-server is one static binary, and releases
 * up to Debian 13 have versions that lose acknowledged messages, so it comes from the newest suite of the same mirror.
 */
export type ServerName = "nats" | "redis" | "mariadb";

/** The programs of one server. */
export interface ServerBinaries {
  /** nats-server, redis-server or mariadbd. */
  server: string;
  version: string;
  /** mariadb-install-db, for MariaDB only. */
  installer?: string;
  /** The `usr` folder of an unpacked MariaDB; undefined where the machine's own is used. */
  basedir?: string;
  /** Environment additions; LD_LIBRARY_PATH when libraries were unpacked too. */
  env: Record<string, string>;
}

export interface ProvisionOptions {
  /** Folder of unpacked servers; default: `.carillon/servers` of the checkout. */
  folder?: string;
  /** Gets one line about each step that takes time. */
  onProgress?: (line: string) => void;
  /** False: use only unpacked servers (for tests of unpacking). */
  usePath?: boolean;
}

interface Recipe extends PackageSet {
  program: string;
  atLeast: string;
  versionMustMatch?: RegExp;
  installer?: string;
  setting: string;
}

const RECIPES: Record<ServerName, Recipe> = {
  nats: {
    title: "nats-server",
    program: "nats-server",
    atLeast: "2.14.3",
    release: "newest",
    packages: async (apt) => [await newestNats(apt)],
    setting: "CARILLON_NATS_SERVERS=nats://user:password@host:4222",
  },
  redis: {
    title: "redis-server",
    program: "redis-server",
    atLeast: "6.2",
    release: "own",
    packages: ["redis-server", "redis-tools"],
    usual: ["libjemalloc2", "liblzf1", "libatomic1"],
    setting: "CARILLON_REDIS_URL=redis://:password@host:6379",
  },
  mariadb: {
    title: "mariadb-server",
    program: "mariadbd",
    atLeast: "10.5",
    versionMustMatch: /MariaDB/,
    installer: "mariadb-install-db",
    release: "own",
    packages: ["mariadb-server-core", "mariadb-client-core"],
    usual: ["libaio1", "libnuma1", "liburing2", "libmariadb3", "libatomic1"],
    setting: "CARILLON_MYSQL_URL=mysql://user:password@host:3306/carillon",
  },
};

/** A server is missing and cannot be unpacked; the message says what to install and which setting names another server. */
export class ProvisionError extends Error {
  override name = "ProvisionError";
}

/**
 * Provides one server.
 *
 * @throws ProvisionError with a message for people when the server can neither be found nor unpacked
 */
export async function provisionServer(name: ServerName, options: ProvisionOptions = {}): Promise<ServerBinaries> {
  const folder = options.folder ?? path.join(findCheckout(), ".carillon", "servers");
  const present = await findPresent(name, folder, options.usePath ?? true);
  if (present !== undefined) {
    return present;
  }
  const say = options.onProgress ?? (() => {});
  return withLock(
    path.join(folder, "provision.lock"),
    async () => {
      const meanwhile = await findPresent(name, folder, options.usePath ?? true);
      return meanwhile ?? unpackServer(name, folder, say);
    },
    (holder) => say(`waiting for process ${holder.pid}, which is unpacking servers`),
  );
}

async function findPresent(name: ServerName, folder: string, usePath: boolean): Promise<ServerBinaries | undefined> {
  return (
    (usePath ? await findOnPath(RECIPES[name]) : undefined) ?? findUnpacked(RECIPES[name], path.join(folder, name))
  );
}

async function findOnPath(recipe: Recipe): Promise<ServerBinaries | undefined> {
  // Debian keeps servers in sbin, which is not on the PATH of ordinary users.
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"].filter(Boolean);
  const locate = (program: string) => folders.map((each) => path.join(each, program)).find((file) => existsSync(file));
  const server = locate(recipe.program);
  const installer = recipe.installer && locate(recipe.installer);
  if (server === undefined || (recipe.installer !== undefined && installer === undefined)) {
    return undefined;
  }
  const version = await fitVersion(recipe, server, {});
  return version === undefined ? undefined : { server, version, installer, env: {} };
}

async function findUnpacked(recipe: Recipe, root: string): Promise<ServerBinaries | undefined> {
  const usr = path.join(root, "usr");
  const server = ["sbin", "bin"].map((each) => path.join(usr, each, recipe.program)).find((file) => existsSync(file));
  if (server === undefined) {
    return undefined;
  }
  const env = libraryEnvironment(root);
  const version = await fitVersion(recipe, server, env);
  const installer = recipe.installer && path.join(usr, "bin", recipe.installer);
  const basedir = recipe.installer === undefined ? undefined : usr;
  return version === undefined ? undefined : { server, version, installer, basedir, env };
}

async function fitVersion(recipe: Recipe, server: string, env: Record<string, string>): Promise<string | undefined> {
  const text = await ask(server, ["--version"], { ...process.env, ...env });
  const version = text === undefined ? undefined : findVersion(text.replace(server, ""));
  const fits =
    version !== undefined &&
    compareVersions(version, recipe.atLeast) >= 0 &&
    (recipe.versionMustMatch === undefined || recipe.versionMustMatch.test(text!));
  return fits ? version : undefined;
}

async function unpackServer(name: ServerName, folder: string, say: (line: string) => void): Promise<ServerBinaries> {
  const recipe = RECIPES[name];
  const root = path.join(folder, name);
  try {
    await unpackPackages(recipe, root, path.join(folder, "apt"), say);
  } catch (error) {
    throw new ProvisionError(explain(recipe, (error as Error).message));
  }
  const binaries = await findUnpacked(recipe, root);
  if (binaries === undefined) {
    throw new ProvisionError(explain(recipe, `the unpacked ${recipe.program} in ${root} does not run or is too old`));
  }
  say(`${recipe.title}: ${binaries.version} unpacked`);
  return binaries;
}

async function newestNats(apt: PrivateApt): Promise<string> {
  const versions = await apt.versions("nats-server");
  const fit = versions
    .filter((version) => compareVersions(findVersion(version) ?? "0", RECIPES.nats.atLeast) >= 0)
    .sort((a, b) => compareVersions(findVersion(b)!, findVersion(a)!))[0];
  if (fit === undefined) {
    throw new Error(
      `the mirror has ${versions.join(", ") || "no version"}, wanted is ${RECIPES.nats.atLeast} or newer`,
    );
  }
  return `nats-server=${fit}`;
}

function explain(recipe: Recipe, reason: string): string {
  return [
    `${recipe.title} >= ${recipe.atLeast} is needed, and could not be provided: ${reason}`,
    `Either install it, with ${[recipe.program, recipe.installer].filter(Boolean).join(" and ")} on the PATH,`,
    `or name a running one with ${recipe.setting}`,
  ].join("\n");
}
