import { readFileSync } from "node:fs";
import path from "node:path";

/** Version of the product, as the package.json of this package says it: all packages carry the same one. */
export function productVersion(): string {
  const file = path.join(__dirname, "..", "..", "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
