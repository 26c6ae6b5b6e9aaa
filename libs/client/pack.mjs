/**
 * Makes a tarball of the SDK that an app can install by itself: `npm run pack -w @carillon/client -- [folder]`.
 *
 * The packages of this repository that the SDK is made of are published nowhere, and a workspace hoists what npm
 * would bundle. So a copy of the built package is laid out with its dependencies inside, and packed there.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? here);
const BUNDLED = ["@carillon/base", "@carillon/protocol", "@msgpack/msgpack", "idb", "ws"];

const read = (folder) => JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));

/** Folder of an installed package, found from here as node finds it. */
function folderOf(name) {
  const places = createRequire(import.meta.url).resolve.paths(name);
  const found = places.map((place) => path.join(place, name)).find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`${name} is not installed`);
  return found;
}

/** Built files only: sources and tests are of no use to an app. */
function copyBuilt(from, to, manifest) {
  mkdirSync(to, { recursive: true });
  const isWanted = (file) =>
    !file.endsWith(".tsbuildinfo") && !file.endsWith(".map") && !/\/base\/dist\/node(\/|$)/.test(file);
  cpSync(path.join(from, "dist"), path.join(to, "dist"), { recursive: true, filter: isWanted });
  writeFileSync(path.join(to, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

const stage = mkdtempSync(path.join(tmpdir(), "carillon-client-"));
try {
  const { private: _, scripts: __, ...manifest } = read(here);
  const dependencies = Object.fromEntries(BUNDLED.map((name) => [name, read(folderOf(name)).version]));
  copyBuilt(here, stage, { ...manifest, files: ["dist"], dependencies, bundleDependencies: BUNDLED });
  cpSync(path.join(here, "README.md"), path.join(stage, "README.md"));
  for (const name of BUNDLED) {
    const [from, to] = [folderOf(name), path.join(stage, "node_modules", name)];
    if (!name.startsWith("@carillon/")) cpSync(from, to, { recursive: true, dereference: true });
    else {
      // The Node parts of base, and what they need, are for servers.
      const { private: _private, dependencies: _dependencies, ...own } = read(from);
      copyBuilt(from, to, { ...own, exports: { ".": own.exports["."] } });
    }
  }
  const answer = execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", out], {
    cwd: stage,
  });
  process.stdout.write(`${path.join(out, answer.toString().trim().split("\n").at(-1))}\n`);
} finally {
  rmSync(stage, { recursive: true, force: true });
}
