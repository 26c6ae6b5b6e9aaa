import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { productVersion } from "@carillon/base/node";

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
