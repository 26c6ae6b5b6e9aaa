import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { mutants } from "../tests/mutants/mutants.json";

const root = path.dirname(__dirname);

test.each(mutants)("the bug $name can be planted: its line is there, once", ({ file, find }) => {
  if (!existsSync(path.join(root, file))) throw new Error(`${file} is not there; the product is built by npx tsc -b`);
  expect(readFileSync(path.join(root, file), "utf8").split(find)).toHaveLength(2);
});
