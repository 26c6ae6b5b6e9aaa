import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { provisionServer, type ServerBinaries } from "../provision/provision";
import type { LocalServer, ServerOptions } from "./options";
import { probeTcp } from "./probe";
import { randomPassword, runServer } from "./run-server";
import { renderInfra } from "./template";

export interface MariadbOptions extends ServerOptions {
  /** InnoDB buffer pool, such as `64M` (the default, for tests). */
  bufferPool?: string;
  /** InnoDB redo log, such as `16M` (the default, for tests). */
  logFileSize?: string;
}

export interface MariadbServer extends LocalServer {
  user: string;
  database: string;
}

/** Name of the database and of its administrator. */
export const DATABASE = "carillon";
const NAME = DATABASE;

/**
 * Starts a private MariaDB with an empty database `carillon` and one user of the same name, and waits for its greeting.
 *
 * Edge cases. An interrupted first start leaves no incomplete data: the tables are created in another folder, which is then
 * renamed. Database, user and password come from an init file that the server runs at each start before it listens. MariaDB runs
 * as root only on request. The path of a unix socket may have at most 107 bytes: for a deep directory it lies in the temp folder.
 */
export async function startMariadb(options: MariadbOptions): Promise<MariadbServer> {
  const { directory } = options;
  const binaries = options.binaries ?? (await provisionServer("mariadb"));
  const password = options.password ?? randomPassword();
  const asUser = process.getuid?.() === 0 ? ["--user=root"] : [];
  const server = await runServer(options, 1, async (ports) => {
    const port = options.port ?? ports[0]!;
    const config = path.join(directory, "mariadb.cnf");
    const initFile = path.join(directory, "init.sql");
    const dataDirectory = path.join(directory, "data");
    // A starting server removes all temporary tables that it finds, including those of another running server.
    const ownTemp = path.join(directory, "tmp");
    mkdirSync(ownTemp, { recursive: true });
    const values = {
      port,
      socket: socketPath(directory),
      dataDirectory,
      pidFile: path.join(directory, "mariadb.pid"),
      initFile,
      bufferPool: options.bufferPool ?? "64M",
      logFileSize: options.logFileSize ?? "16M",
    };
    writeFileSync(config, renderInfra("mariadb.cnf", values), { mode: 0o600 });
    writeFileSync(initFile, `${initStatements(password)}${options.accounts ?? ""}`, { mode: 0o600 });
    await installTables(binaries, dataDirectory, asUser);
    const basedir = binaries.basedir === undefined ? [] : [`--basedir=${binaries.basedir}`];
    return {
      address: { url: `mysql://${NAME}:${password}@127.0.0.1:${port}/${NAME}`, port, password },
      plan: {
        name: "mysql",
        command: binaries.server,
        args: [
          `--defaults-file=${config}`,
          ...basedir,
          ...pluginDirectory(binaries),
          ...asUser,
          ...encryption(options.tls),
        ],
        env: { ...binaries.env, TMPDIR: ownTemp },
        cwd: directory,
        output: options.logFile ?? path.join(directory, "server.log"),
        // The greeting's fifth byte is the protocol version; a refusal has 0xff there.
        isReady: () => probeTcp(port, undefined, (answer) => answer.length > 4 && answer[4] === 10),
        readyTimeoutMs: 120_000,
        stopGraceMs: 30_000,
      },
    };
  });
  return Object.assign(server, { user: NAME, database: NAME });
}

function encryption(tls: ServerOptions["tls"]): string[] {
  if (tls === undefined) return [];
  return [`--ssl-cert=${tls.certFile}`, `--ssl-key=${tls.keyFile}`, "--require-secure-transport=ON"];
}

async function installTables(binaries: ServerBinaries, dataDirectory: string, asUser: string[]): Promise<void> {
  if (existsSync(dataDirectory)) {
    return;
  }
  const draft = `${dataDirectory}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  // The installer is a shell script with missing quotes, so it gets both folders under names without spaces.
  const alias = mkdtempSync(path.join(tmpdir(), "carillon-install-"));
  symlinkSync(draft, path.join(alias, "data"));
  let installer = binaries.installer!;
  const basedir: string[] = [];
  if (binaries.basedir !== undefined) {
    symlinkSync(binaries.basedir, path.join(alias, "base"));
    basedir.push(`--basedir=${path.join(alias, "base")}`);
    installer = path.join(alias, "base", path.relative(binaries.basedir, installer));
  }
  const args = [
    "--no-defaults",
    ...basedir,
    `--datadir=${path.join(alias, "data")}`,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
    "--skip-name-resolve",
    "--innodb-log-file-size=16M",
    ...asUser,
  ];
  try {
    await promisify(execFile)(installer, args, {
      env: { ...process.env, ...binaries.env, TMPDIR: alias },
      timeout: 120_000,
    });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`mariadb-install-db failed: ${(stdout + stderr).trim().split("\n").slice(-15).join("\n")}`);
  } finally {
    rmSync(alias, { recursive: true, force: true });
  }
  renameSync(draft, dataDirectory);
}

function initStatements(password: string): string {
  return [
    `CREATE DATABASE IF NOT EXISTS ${NAME} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;`,
    `CREATE USER IF NOT EXISTS '${NAME}'@'%' IDENTIFIED BY '${password}';`,
    `ALTER USER '${NAME}'@'%' IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO '${NAME}'@'%';`,
    `ALTER USER 'root'@'localhost' IDENTIFIED BY '${password}';`,
    "",
  ].join("\n");
}

function pluginDirectory(binaries: ServerBinaries): string[] {
  const folder = binaries.basedir && path.join(binaries.basedir, "lib", "mysql", "plugin");
  return folder !== undefined && existsSync(folder) ? [`--plugin-dir=${folder}`] : [];
}

function socketPath(directory: string): string {
  const near = path.join(directory, "mariadb.sock");
  const hash = createHash("sha256").update(directory).digest("hex").slice(0, 16);
  return Buffer.byteLength(near) <= 100 ? near : path.join(tmpdir(), `carillon-${hash}.sock`);
}
