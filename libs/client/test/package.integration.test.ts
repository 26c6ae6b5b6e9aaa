/**
 * The tarball installs into an empty folder without a registry, and works for import, require and types, in Node and for
 * browsers.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const root = path.join(__dirname, "..");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "carillon-app-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

test("an app in an empty folder can install, import, require and compile against it", () => {
  const tarball = run(process.execPath, path.join(root, "pack.mjs"), folder).trim();
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "app", private: true }));
  run("npm", "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball);
  const use = `const c = new CarillonClient({ api: "http://127.0.0.1:1", token: "t", deviceId: "d", platform: "other", transport: "tcp" });
    console.log(c.state.name, viewOf(c) === viewOf(c), viewOf(c).conversations.length);
    c.close();`;
  const imports = `import { CarillonClient } from "@carillon/client";\nimport { viewOf } from "@carillon/client/view";\n`;
  const requires = imports.replace(/import (.*) from (.*);/g, "const $1 = require($2);");
  writeFileSync(path.join(folder, "a.cjs"), requires + use);
  writeFileSync(path.join(folder, "a.mjs"), imports + use);
  writeFileSync(path.join(folder, "a.mts"), imports + use);
  expect(run(process.execPath, "a.cjs")).toBe("idle true 0\n");
  expect(run(process.execPath, "a.mjs")).toBe("idle true 0\n");
  const tsc = path.join(root, "..", "..", "node_modules", ".bin", "tsc");
  const types = path.join(root, "..", "..", "node_modules", "@types");
  const compile = (file: string, ...options: string[]) =>
    run(tsc, "--noEmit", "--strict", "--target", "ES2022", "--typeRoots", types, "--types", "node", ...options, file);
  compile("a.mts", "--module", "NodeNext");
  // The browser entry has a name of its own, which every resolver finds.
  const page = `import { CarillonClient, type IndexedDbStorage, openIndexedDbStorage } from "@carillon/client/browser";
    export const opened: Promise<IndexedDbStorage> = openIndexedDbStorage("x");
    export const client = new CarillonClient({ api: "http://x", token: "t", deviceId: "d", platform: "web" });`;
  writeFileSync(path.join(folder, "page.mts"), page);
  writeFileSync(path.join(folder, "page.ts"), page);
  compile("page.mts", "--module", "NodeNext");
  compile("page.ts", "--module", "ESNext", "--moduleResolution", "Bundler");
  // The files that a bundler for browsers takes need no Node modules.
  const use2 = `console.log(new CarillonClient({ api: "http://x", token: "t", deviceId: "d", platform: "web" }).state.name`;
  writeFileSync(
    path.join(folder, "b.cjs"),
    `const { CarillonClient } = require("@carillon/client/browser");
    ${use2}, Object.keys(require.cache).filter((file) => /\\/ws\\/|\\/node\\//.test(file)).length);`,
  );
  expect(run(process.execPath, "b.cjs")).toBe("idle 0\n");
  writeFileSync(path.join(folder, "b.mjs"), `import { CarillonClient } from "@carillon/client/browser";\n${use2});`);
  expect(run(process.execPath, "b.mjs")).toBe("idle\n");
}, 240_000);
