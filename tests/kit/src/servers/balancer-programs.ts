/** Provides nginx and haproxy: Debian's packages, unpacked beside the servers without any rights. `npm test` runs this unbuilt. */
import { existsSync } from "node:fs";
import path from "node:path";
import { findCheckout, type PackageSet, provideDebianPackages, type UnpackedPackages } from "@carillon/local";

/** The programs that are balancers, by the name of Debian's package. */
const SETS: Record<"nginx" | "haproxy", PackageSet> = {
  nginx: { title: "nginx", release: "own", packages: ["nginx"], usual: ["libpcre2-8-0", "libssl3", "zlib1g"] },
  haproxy: { title: "haproxy", release: "own", packages: ["haproxy"], usual: ["liblua5.3-0", "libpcre2-8-0"] },
};

export type BalancerName = keyof typeof SETS;

const unpackedIn = () => path.join(findCheckout(), ".carillon", "servers");
export const program = (name: BalancerName, root: string) => path.join(root, "usr/sbin", name);

/** Unpacks a balancer, unless it is there. @throws Error when it cannot be had */
export function provideBalancer(name: BalancerName, say?: (line: string) => void): Promise<UnpackedPackages> {
  return provideDebianPackages(name, SETS[name], unpackedIn(), say);
}

/** Whether a balancer is there: its tests are skipped without it. */
export function hasBalancer(name: BalancerName): boolean {
  return existsSync(program(name, path.join(unpackedIn(), name)));
}
