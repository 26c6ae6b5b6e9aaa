import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { buildVersion, productVersion } from "@carillon/base/node";

const root = path.join(__dirname, "..", "..", "..");

test("every package has the version of the product: nodes tell it by one of them", () => {
  const folders = ["libs", "apps"].flatMap((parent) =>
    readdirSync(path.join(root, parent)).map((name) => path.join(parent, name)),
  );
  for (const folder of [".", ...folders]) {
    const { version } = JSON.parse(readFileSync(path.join(root, folder, "package.json"), "utf8"));
    expect({ folder, version }).toEqual({ folder, version: productVersion() });
  }
});

test("a build says its commit, so that two of one version can be told apart", () => {
  const commit = execFileSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" }).trim();
  expect(buildVersion()).toBe(`${productVersion()}+${commit.slice(0, 10)}`);
});
