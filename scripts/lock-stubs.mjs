/**
 * Completes package-lock.json for platforms other than the one that created it.
 *
 * A registry that carries only this platform's binaries gives a lock without the others, and `npm ci` refuses such a
 * lock, here and elsewhere. For each optional dependency that a package names and the lock lacks, this script adds the data
 * that npm needs in order to skip or to fetch it: version, os, cpu, libc. The platform is part of the package's name.
 *
 * Run it after every `npm install` that changed the lock: `node scripts/lock-stubs.mjs [package-lock.json]`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const SYSTEMS = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const PROCESSORS = ["arm", "arm64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"];
const OTHER_NAMES = { ppc64le: "ppc64", fsevents: "darwin", armv7: "arm" };

/** The platform in the name of a binary package: `@x/y-linux-arm64-musl` is linux, arm64, musl. */
export function platformOfName(name) {
  const words = name
    .split(/[@/_.-]/)
    .map((word) => OTHER_NAMES[word] ?? word)
    .map((word) =>
      /^(gnueabihf|musleabihf)$/.test(word) ? word.replace("gnueabihf", "gnu").replace("musleabihf", "musl") : word,
    );
  const system = words.filter((word) => SYSTEMS.includes(word));
  const processor = words.filter((word) => PROCESSORS.includes(word));
  const libc = words.includes("musl")
    ? ["musl"]
    : words.some((word) => word === "gnu" || word === "glibc")
      ? ["glibc"]
      : [];
  return {
    ...(processor.length > 0 ? { cpu: processor } : {}),
    ...(libc.length > 0 && system.includes("linux") ? { libc } : {}),
    ...(system.length > 0 ? { os: system } : {}),
  };
}

/**
 * Adds the missing entries to a parsed lock file, in place, and returns their paths.
 *
 * @throws Error for a missing optional dependency whose name contains no platform: install it instead.
 */
export function addLockStubs(lock) {
  const added = [];
  for (const [parent, entry] of Object.entries(lock.packages)) {
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isResolved(lock.packages, parent, name)) {
        continue;
      }
      const platform = platformOfName(name);
      if (Object.keys(platform).length === 0) {
        throw new Error(`${name}, wanted by ${parent}, is missing in the lock and its name tells no platform`);
      }
      const location = `node_modules/${name}`;
      const taken = lock.packages[location] !== undefined;
      const where = taken ? `${parent}/${location}` : location;
      lock.packages[where] = {
        version: range.replace(/^[~^]/, ""),
        ...(entry.dev ? { dev: true } : {}),
        optional: true,
        ...platform,
      };
      added.push(where);
    }
  }
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en")));
  return added;
}

/** Whether a package finds `name` in its own node_modules or in one above. A root entry with another version does not count. */
function isResolved(packages, parent, name) {
  const wanted = packages[parent].optionalDependencies[name];
  for (let place = parent; ; place = place.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, "")) {
    const found = packages[`${place === "" ? "" : `${place}/`}node_modules/${name}`];
    if (found !== undefined) {
      return /^\d/.test(wanted) ? found.version === wanted : true;
    }
    if (place === "" || !place.includes("node_modules/")) {
      return packages[`node_modules/${name}`] !== undefined && !/^\d/.test(wanted);
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  const file = process.argv[2] ?? path.join(root, "package-lock.json");
  const lock = JSON.parse(readFileSync(file, "utf8"));
  const added = addLockStubs(lock);
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  process.stdout.write(`${added.length} entries added to package-lock.json\n`);
}
