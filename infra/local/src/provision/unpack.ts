import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { withLock } from "@carillon/base/process-lock";
import { debianCodename, firstErrors, PrivateApt, readMachineSources } from "./apt";
import { type AptSource, atSuites, ownRelease, renderSources } from "./sources";

/**
 * Provides Debian's packages without installing them: a private apt downloads them, and they are unpacked into a folder. No
 * service is started, and no rights are needed.
 *
 * Edge cases. Nobody sees half unpacked packages: they are unpacked beside the folder, which is then renamed. Packages of the
 * machine's own release find its libraries; so do backports, which are newer programs built for that release. Packages from the
 * newest suites must not need any library.
 */
export type DebianRelease = "own" | "own with backports" | "newest";

export interface PackageSet {
  /** Name in progress lines and messages, such as `redis-server`. */
  title: string;
  release: DebianRelease;
  /** `name` or `name=version`, or a function that chooses them after the index was read. */
  packages: string[] | ((apt: PrivateApt) => Promise<string[]>);
  /** Names of further packages to unpack when the set needs them and this machine lacks them; default: libraries. */
  needed?: RegExp;
  /** Needed packages that a bare machine usually lacks, for machines on which apt cannot compute them. */
  usual?: string[];
}

/** The folder of an unpacked set, and the environment that its programs need. */
export interface UnpackedPackages {
  /** Contains `usr`, `etc` and so on of the packages. */
  root: string;
  /** LD_LIBRARY_PATH when libraries were unpacked. */
  env: Record<string, string>;
}

/**
 * Provides a set of packages below `folder`/`name`; uses a set that was unpacked there earlier. Two processes may call it at once.
 *
 * @throws Error when this machine has no sources of Debian, or these lack a package
 */
export async function provideDebianPackages(
  name: string,
  set: PackageSet,
  folder: string,
  say: (line: string) => void = () => {},
): Promise<UnpackedPackages> {
  const root = path.join(folder, name);
  if (!existsSync(root)) {
    await withLock(
      path.join(folder, "provision.lock"),
      async () => existsSync(root) || unpackPackages(set, root, path.join(folder, "apt"), say),
      (holder) => say(`waiting for process ${holder.pid}, which is unpacking packages`),
    );
  }
  return { root, env: libraryEnvironment(root) };
}

/** Downloads a set and unpacks it, replacing `root`. Two processes must not call it at once. */
export async function unpackPackages(
  set: PackageSet,
  root: string,
  aptFolder: string,
  say: (line: string) => void,
): Promise<void> {
  const draft = `${root}.unpacking`;
  try {
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { recursive: true });
    const apt = openApt(set.release, aptFolder);
    say(`${set.title}: reading Debian's package index`);
    await apt.update();
    const packages = typeof set.packages === "function" ? await set.packages(apt) : set.packages;
    const wanted = await apt.withMissing(packages, set.needed ?? /^lib/, set.usual ?? []);
    say(`${set.title}: downloading ${wanted.join(", ")}`);
    for (const file of await apt.download(wanted, path.join(draft, "packages"))) {
      await promisify(execFile)("dpkg-deb", ["--extract", file, draft]);
    }
    rmSync(path.join(draft, "packages"), { recursive: true });
    rmSync(root, { recursive: true, force: true });
    renameSync(draft, root);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw new Error(firstErrors((error as Error).message));
  }
}

/** Returns LD_LIBRARY_PATH for the libraries below a root of unpacked packages, if there are any. */
export function libraryEnvironment(root: string): Record<string, string> {
  const libraries = ["usr/lib", "lib"]
    .map((each) => path.join(root, each))
    .filter((each) => existsSync(each))
    .flatMap((each) => readdirSync(each).map((entry) => path.join(each, entry)))
    .filter((each) => each.endsWith("-linux-gnu") || /-linux-gnu\w+$/.test(each));
  return libraries.length > 0 ? { LD_LIBRARY_PATH: libraries.join(":") } : {};
}

/** One private apt per release, so that a program of the newest suites never counts as one of the machine's own release. */
function openApt(release: DebianRelease, folder: string): PrivateApt {
  const codename = debianCodename();
  const sources = codename === undefined ? [] : ownRelease(readMachineSources(), codename);
  if (sources.length === 0) {
    throw new Error("this machine has no apt sources of Debian to download it from");
  }
  if (release === "own") {
    return new PrivateApt(path.join(folder, "own"), renderSources(sources));
  }
  if (release === "newest") {
    return new PrivateApt(path.join(folder, "newest"), renderSources(atSuites(sources, ["testing", "sid"])));
  }
  const backports = `${codename}-backports`;
  const both: AptSource[] = [...sources, ...atSuites(sources, [backports])];
  return new PrivateApt(path.join(folder, "backports"), renderSources(both), backports);
}
