/** Installs socket.io and its dependencies for the bench only, as the lock file beside this file says. */
import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { peersHome } from "../debian-peer";

const LOCK = "package-lock.json";

const home = () => path.join(peersHome(), "socketio");

/**
 * Runs no scripts of packages. An installation is never seen half done: it is made in another folder and renamed.
 *
 * @returns the folder, with `server.mjs` in it
 * @throws Error with one sentence when the installation fails
 */
export async function installSocketIo(onProgress: (line: string) => void): Promise<string> {
  if (!isInstalled()) {
    onProgress("socket.io: installing it from npm");
    const draft = `${home()}.installing`;
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { recursive: true });
    for (const name of ["package.json", LOCK]) copyFileSync(path.join(__dirname, name), path.join(draft, name));
    await promisify(execFile)("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: draft }).catch(
      (error: Error & { stderr?: string }) => {
        const reason = (error.stderr ?? "").split("\n").find((line) => line.startsWith("npm error")) ?? error.message;
        rmSync(draft, { recursive: true, force: true });
        throw new Error(`socket.io cannot be installed from npm: ${reason}`);
      },
    );
    rmSync(home(), { recursive: true, force: true });
    renameSync(draft, home());
  }
  copyFileSync(path.join(__dirname, "server.mjs"), path.join(home(), "server.mjs"));
  return home();
}

/** Returns the versions that the lock file names for the main packages. */
export function lockedVersions(): string {
  const { packages } = JSON.parse(readFileSync(path.join(__dirname, LOCK), "utf8")) as {
    packages: Record<string, { version?: string }>;
  };
  const names = ["socket.io", "@socket.io/redis-streams-adapter", "ws", "bufferutil", "ioredis"];
  return names.map((name) => `${name} ${packages[`node_modules/${name}`]!.version}`).join(", ");
}

function isInstalled(): boolean {
  const lock = path.join(home(), LOCK);
  return existsSync(lock) && readFileSync(lock, "utf8") === readFileSync(path.join(__dirname, LOCK), "utf8");
}
