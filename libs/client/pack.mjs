/**
 * Makes a tarball of the SDK that an app can install by itself: `npm run pack -w @carillon/client -- [folder]`.
 *
 * The packages of this repository that the SDK is made of are published nowhere, so each entry is one file with all of it
 * inside, as an ES module and for `require`; `ws` alone, which Node needs, is taken along as it is. The types are those of the
 * packages.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const libs = path.dirname(here);
const out = path.resolve(process.argv[2] ?? here);
const TYPED = ["@carillon/base", "@carillon/protocol", "@carillon/udp"];
const NODE_ONLY = ["ws"];
/** The entries that an app can import, and their sources. */
const ENTRIES = { index: "index.ts", node: "node.ts", browser: "browser.ts", view: "view-of.ts" };

const read = (folder) => JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
const write = (folder, manifest) => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
};

/** Returns the folder of an installed package, found from here as Node finds it. */
function folderOf(name) {
  const places = createRequire(import.meta.url).resolve.paths(name);
  const found = places.map((place) => path.join(place, name)).find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`${name} is not installed`);
  return found;
}

/**
 * Bundles the entries. Their common code lies in files of its own, so that it exists once: the view must share its classes with the client.
 */
function bundle(stage) {
  const options = {
    ...{ bundle: true, target: "es2022", logLevel: "warning", platform: "neutral", mainFields: ["module", "main"] },
    external: [...NODE_ONLY, "node:*"],
    alias: {
      "@carillon/base/process-lock": path.join(libs, "base/src/node/process-lock.ts"),
      ...Object.fromEntries(TYPED.map((each) => [each, path.join(libs, path.basename(each), "src/index.ts")])),
    },
  };
  const sources = Object.entries(ENTRIES).map(([name, source]) => [name, path.join(here, "src", source)]);
  buildSync({
    ...{ ...options, format: "esm", splitting: true, outdir: path.join(stage, "esm") },
    ...{ entryPoints: Object.fromEntries(sources), outExtension: { ".js": ".mjs" }, chunkNames: "common-[hash]" },
  });
  // `require` has no such sharing: one file per platform contains everything, and each entry exports its part.
  for (const platform of ["index", "node"]) {
    const names = Object.keys(ENTRIES).filter((name) => platform === "index" || name !== "browser");
    const parts = names.filter((name) => name !== (platform === "index" ? "node" : "index"));
    const contents = parts
      .map((name) => `export * as ${name} from ${JSON.stringify(path.join(here, "src", ENTRIES[name]))};`)
      .join("\n");
    const stdin = { contents, resolveDir: here, loader: "ts" };
    buildSync({ ...options, stdin, format: "cjs", outfile: path.join(stage, "cjs", `all-${platform}.cjs`) });
    for (const name of parts) {
      const file = name === "view" ? `view-${platform}` : name;
      writeFileSync(
        path.join(stage, "cjs", `${file}.cjs`),
        `module.exports = require("./all-${platform}.cjs").${name};\n`,
      );
    }
  }
}

function copyTypes(from, to) {
  const isType = (file) => !/\.[a-z]+$/.test(file) || file.endsWith(".d.ts");
  const isOfServers = (file) => /\/base\/dist\/node(\/|$)/.test(file);
  const filter = (file) => isType(file) && !isOfServers(file);
  cpSync(path.join(from, "dist"), path.join(to, "dist"), { recursive: true, filter });
}

const entry = (name, cjs = name) => ({
  types: `./dist/${name === "view" ? "view-of" : name}.d.ts`,
  import: `./esm/${name}.mjs`,
  default: `./cjs/${cjs}.cjs`,
});

const stage = mkdtempSync(path.join(tmpdir(), "carillon-client-"));
try {
  const { name, version, description, license } = read(here);
  const bundled = [...TYPED, ...NODE_ONLY];
  write(stage, {
    ...{ name, version, description, license, sideEffects: false },
    ...{ main: "./cjs/node.cjs", browser: "./cjs/index.cjs", types: "./dist/node.d.ts" },
    exports: {
      ".": { node: entry("node"), default: entry("index") },
      "./browser": entry("browser"),
      "./node": entry("node"),
      "./view": { node: entry("view", "view-node"), default: entry("view", "view-index") },
    },
    files: ["browser", "cjs", "dist", "esm", "node", "view"],
    dependencies: Object.fromEntries(bundled.map((each) => [each, read(folderOf(each)).version])),
    bundleDependencies: bundled,
  });
  // For tools that do not know "exports".
  write(path.join(stage, "browser"), { main: "../cjs/browser.cjs", types: "../dist/browser.d.ts" });
  write(path.join(stage, "node"), { main: "../cjs/node.cjs", types: "../dist/node.d.ts" });
  const [main, browser] = ["../cjs/view-node.cjs", "../cjs/view-index.cjs"];
  write(path.join(stage, "view"), { main, browser, types: "../dist/view-of.d.ts" });
  bundle(stage);
  copyTypes(here, stage);
  cpSync(path.join(here, "README.md"), path.join(stage, "README.md"));
  for (const each of TYPED) {
    const to = path.join(stage, "node_modules", each);
    copyTypes(folderOf(each), to);
    write(to, { name: each, version: read(folderOf(each)).version, types: "./dist/index.d.ts" });
  }
  for (const each of NODE_ONLY) {
    cpSync(folderOf(each), path.join(stage, "node_modules", each), { recursive: true, dereference: true });
  }
  const answer = execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", out], {
    cwd: stage,
  });
  process.stdout.write(`${path.join(out, answer.toString().trim().split("\n").at(-1))}\n`);
} finally {
  rmSync(stage, { recursive: true, force: true });
}
