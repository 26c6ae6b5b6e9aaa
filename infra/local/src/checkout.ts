import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/**
 * Returns the absolute path of this package's checkout: the nearest folder above whose package.json is named "carillon".
 * Templates (`infra/`), unpacked servers (`.carillon/servers`) and the built apps lie below it.
 *
 * @throws Error when the package was copied out of its checkout.
 */
export function findCheckout(from: string = __dirname): string {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "carillon") {
      return folder;
    }
    if (path.dirname(folder) === folder) {
      throw new Error(`no Carillon checkout above ${from}`);
    }
  }
}
