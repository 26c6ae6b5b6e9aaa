import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "carillon-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the script on a lock with these packages and returns the packages afterwards. */
function complete(packages: Record<string, object>): Record<string, object> {
  const file = path.join(folder, "package-lock.json");
  writeFileSync(file, JSON.stringify({ lockfileVersion: 3, packages }));
  execFileSync(process.execPath, [path.join(__dirname, "lock-stubs.mjs"), file], { stdio: "pipe" });
  return JSON.parse(readFileSync(file, "utf8")).packages;
}

test("adds the platforms that the lock lacks, by what their names say", () => {
  const present = { version: "1.2.3", optional: true, os: ["linux"], cpu: ["x64"], libc: ["glibc"] };
  const packages = complete({
    "node_modules/tool": {
      version: "1.2.3",
      dev: true,
      optionalDependencies: {
        "@tool/linux-x64-gnu": "1.2.3",
        "@tool/linux-arm64-musl": "1.2.3",
        "@tool/darwin-arm64": "1.2.3",
        "@tool/win32-ia32-msvc": "1.2.3",
        "@tool/linux-arm-gnueabihf": "1.2.3",
        fsevents: "~2.3.3",
      },
    },
    "node_modules/@tool/linux-x64-gnu": present,
  });
  expect(packages["node_modules/@tool/linux-x64-gnu"]).toEqual(present);
  const stub = { version: "1.2.3", dev: true, optional: true };
  expect(packages["node_modules/@tool/linux-arm64-musl"]).toEqual({
    ...stub,
    os: ["linux"],
    cpu: ["arm64"],
    libc: ["musl"],
  });
  expect(packages["node_modules/@tool/darwin-arm64"]).toEqual({ ...stub, os: ["darwin"], cpu: ["arm64"] });
  expect(packages["node_modules/@tool/win32-ia32-msvc"]).toEqual({ ...stub, os: ["win32"], cpu: ["ia32"] });
  expect(packages["node_modules/@tool/linux-arm-gnueabihf"]).toEqual({
    ...stub,
    os: ["linux"],
    cpu: ["arm"],
    libc: ["glibc"],
  });
  expect(packages["node_modules/fsevents"]).toEqual({ ...stub, version: "2.3.3", os: ["darwin"] });
});

test("a complete lock stays as it is, also when the binary lies below its parent", () => {
  const packages = {
    "node_modules/a": { version: "1.0.0", optionalDependencies: { "@x/linux-x64": "1.0.0" } },
    "node_modules/a/node_modules/@x/linux-x64": { version: "1.0.0", optional: true },
  };
  expect(complete(packages)).toEqual(packages);
});

test("the lock file of this checkout is complete", () => {
  const { packages } = JSON.parse(readFileSync(path.join(__dirname, "..", "package-lock.json"), "utf8"));
  expect(Object.keys(complete(packages))).toEqual(Object.keys(packages));
});

test("a missing package whose name tells no platform is an error", () => {
  expect(() =>
    complete({ "node_modules/a": { version: "1.0.0", optionalDependencies: { colours: "1.0.0" } } }),
  ).toThrow(/colours/);
});
