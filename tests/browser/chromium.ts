/** Provides a real browser: Chromium of the machine, or Debian's package, unpacked beside the servers without any rights. */
import { existsSync } from "node:fs";
import path from "node:path";
import { findCheckout, provideDebianPackages } from "@carillon/local";

const PACKAGES = {
  title: "chromium",
  release: "own" as const,
  packages: ["chromium"],
  needed: /^(lib|chromium|fonts-)/,
  usual: [
    ...["chromium-common", "libdouble-conversion3", "libharfbuzz-subset0", "libminizip1", "libopenh264-7"],
    "libopenjp2-7",
  ],
};

export interface Chromium {
  executablePath: string;
  env: Record<string, string>;
}

const unpackedIn = () => path.join(findCheckout(), ".carillon", "servers");

/** Returns an installed Chromium; undefined: none. */
export function findChromium(): Chromium | undefined {
  const installed = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((file) => existsSync(file));
  if (installed !== undefined) return { executablePath: installed, env: {} };
  const usr = path.join(unpackedIn(), PACKAGES.title, "usr");
  const executablePath = path.join(usr, "lib/chromium/chromium");
  if (!existsSync(executablePath)) return undefined;
  const libraries = path.join(usr, "lib/x86_64-linux-gnu");
  return { executablePath, env: { LD_LIBRARY_PATH: `${libraries}:${libraries}/pulseaudio` } };
}

/** Provides Chromium. @throws Error when none is installed, and none can be had */
export async function provideChromium(say: (line: string) => void): Promise<void> {
  if (findChromium() === undefined) await provideDebianPackages(PACKAGES.title, PACKAGES, unpackedIn(), say);
  if (findChromium() === undefined) throw new Error("Debian's package has no program where it is looked for");
}
