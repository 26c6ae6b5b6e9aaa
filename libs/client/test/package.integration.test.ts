/** The tarball installs into an empty folder without a registry, and works for import, require and types. */
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
    console.log(c.state.name);`;
  writeFileSync(path.join(folder, "a.cjs"), `const { CarillonClient } = require("@carillon/client");\n${use}`);
  writeFileSync(path.join(folder, "a.mjs"), `import { CarillonClient } from "@carillon/client";\n${use}`);
  writeFileSync(path.join(folder, "a.mts"), `import { CarillonClient } from "@carillon/client";\n${use}`);
  expect(run(process.execPath, "a.cjs")).toBe("idle\n");
  expect(run(process.execPath, "a.mjs")).toBe("idle\n");
  const tsc = path.join(root, "..", "..", "node_modules", ".bin", "tsc");
  const types = path.join(root, "..", "..", "node_modules", "@types");
  run(
    tsc,
    "--noEmit",
    "--strict",
    "--module",
    "NodeNext",
    "--target",
    "ES2022",
    "--typeRoots",
    types,
    "--types",
    "node",
    "a.mts",
  );
  // What a bundler for browsers takes: no Node modules behind it.
  const browser = `const { CarillonClient } = require("./node_modules/@carillon/client/dist/index.js");
    console.log(new CarillonClient({ api: "http://x", token: "t", deviceId: "d", platform: "web" }).state.name,
      Object.keys(require.cache).filter((file) => /\\/ws\\/|\\/node\\//.test(file)).length);`;
  writeFileSync(path.join(folder, "b.cjs"), browser);
  expect(run(process.execPath, "b.cjs")).toBe("idle 0\n");
}, 120_000);
