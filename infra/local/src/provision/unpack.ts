import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { withLock } from "../processes/lock-file";
import { debianCodename, firstErrors, PrivateApt, readMachineSources } from "./apt";
import { type AptSource, atSuites, ownRelease, renderSources } from "./sources";

/**
 * Debian's packages without installing them: a private apt downloads them, and they are unpacked into a folder. No
 * service is started, no rights are needed.
 *
 * Edge cases. Half unpacked packages are never seen: they are unpacked beside and renamed. Packages of the machine's own
 * release find its libraries; so do backports, which are newer programs built for that release. What comes from the
 * newest suites must not need any library.
 */
export type DebianRelease = "own" | "own with backports" | "newest";

export interface PackageSet {
  /** For progress and messages, such as `redis-server`. */
  title: string;
  release: DebianRelease;
  /** `name` or `name=version`, or what chooses them when the index was read. */
  packages: string[] | ((apt: PrivateApt) => Promise<string[]>);
  /** Names of the packages that are unpacked, too, when the set needs them and this machine lacks them; default: libraries. */
  needed?: RegExp;
  /** Needed packages usually missing on a bare machine, where apt cannot work it out. */
  usual?: string[];
}

/** Where packages of a set lie, and what their programs want in their environment. */
export interface UnpackedPackages {
  /** Holds `usr`, `etc` and so on of the packages. */
  root: string;
  /** LD_LIBRARY_PATH when libraries were unpacked. */
  env: Record<string, string>;
}

/**
 * Provides a set of packages below `folder`/`name`; finds what was unpacked there earlier. Two processes may ask at once.
 *
 * @throws Error when this machine has no sources of Debian, or they lack a package.
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

/** Downloads a set and unpacks it in place of what is at `root`. Not to be called by two processes at once. */
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

/** LD_LIBRARY_PATH of the libraries below a root of unpacked packages, where there are any. */
export function libraryEnvironment(root: string): Record<string, string> {
  const libraries = ["usr/lib", "lib"]
    .map((each) => path.join(root, each))
    .filter((each) => existsSync(each))
    .flatMap((each) => readdirSync(each).map((entry) => path.join(each, entry)))
    .filter((each) => each.endsWith("-linux-gnu") || /-linux-gnu\w+$/.test(each));
  return libraries.length > 0 ? { LD_LIBRARY_PATH: libraries.join(":") } : {};
}

/** One private apt per release, so that a program of the newest suites is never taken for one of the machine's own. */
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
