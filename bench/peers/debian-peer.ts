/** Peers from Debian's packages, unpacked beside the product's own servers: nothing is installed, no service is started. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { findCheckout, provideDebianPackages, type UnpackedPackages } from "@carillon/local";

/** The folder of the peers that the bench got for itself. */
export const peersHome = () => path.join(findCheckout(), ".carillon", "bench", "peers");

/**
 * Gets the newest version that Debian offers for this release, including backports.
 * @param packages first the package with the name of the peer
 * @param needed names of further packages to unpack if the first ones depend on them
 * @throws Error with one sentence when the packages cannot be had
 */
export async function unpackPeer(
  packages: [string, ...string[]],
  needed: RegExp,
  onProgress: (line: string) => void,
): Promise<UnpackedPackages> {
  const [title] = packages;
  const set = { title, release: "own with backports" as const, packages, needed };
  try {
    return await provideDebianPackages(title, set, peersHome(), onProgress);
  } catch (error) {
    throw new Error(`${title} cannot be installed from Debian's packages: ${(error as Error).message}`);
  }
}

/** Returns Debian's version of an unpacked peer, from its change log. */
export function unpackedVersion(name: string): string {
  const log = path.join(peersHome(), name, "usr/share/doc", name, "changelog.Debian.gz");
  if (!existsSync(log)) return "(not unpacked)";
  return /\((\S+)\)/.exec(gunzipSync(readFileSync(log)).toString())?.[1] ?? "(unknown)";
}
