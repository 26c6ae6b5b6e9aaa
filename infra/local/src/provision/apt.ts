import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { type AptSource, parseDeb822Sources, parseOneLineSources } from "./sources";

/**
 * A private apt: sources, indexes and downloads lie in `folder`. It changes nothing on the machine and needs no rights. It
 * reads the machine's mirrors, proxy settings (`Acquire::*`), keys and, to know which libraries exist already, the list of
 * installed packages.
 */
export class PrivateApt {
  private readonly env: NodeJS.ProcessEnv;
  private updated = false;

  constructor(
    readonly folder: string,
    private readonly renderedSources: string,
    /** A suite whose newer packages are preferred without being requested by name, unlike apt's default for backports. */
    private readonly alsoTaken?: string,
  ) {
    this.env = { ...process.env, LC_ALL: "C", APT_CONFIG: path.join(folder, "apt.conf") };
  }

  /** Fetches the package indexes once. An error of one source is not final: another source may have the packages. */
  async update(): Promise<void> {
    if (this.updated) {
      return;
    }
    await this.configure();
    // For apt an unreachable source is only a warning, so its exit code says little.
    const said = await this.run("apt-get", ["update", "-q"], this.folder, "stderr").catch(
      (error: Error) => error.message,
    );
    if (!existsSync(this.listsFolder) || !readdirSync(this.listsFolder).some((name) => name.includes("_Packages"))) {
      throw new Error(`apt could not read any package index: ${firstErrors(said)}`);
    }
    this.updated = true;
  }

  /** Returns all versions of a package in the sources, newest first. */
  async versions(name: string): Promise<string[]> {
    const table = await this.run("apt-cache", ["madison", name]);
    return table
      .split("\n")
      .map((line) => line.split("|")[1]?.trim() ?? "")
      .filter(Boolean);
  }

  /**
   * Returns the given packages, and the packages that they need, that this machine does not have and whose names match `needed`.
   * When apt cannot tell (on a machine with half-installed packages), `usual` replaces its answer.
   */
  async withMissing(packages: string[], needed: RegExp, usual: string[]): Promise<string[]> {
    let plan: string;
    try {
      plan = await this.run("apt-get", ["install", "--simulate", "--no-install-recommends", ...packages]);
    } catch {
      return [...packages, ...usual];
    }
    // "Inst name (version ...)" is new; "Inst name [old] (new ...)" would upgrade a package that is good enough.
    const added = [...plan.matchAll(/^Inst (\S+) \(/gm)].map((match) => match[1]!);
    // A second C library beside the machine's loader would crash every program.
    const wanted = added.filter((name) => needed.test(name) && name !== "libc6");
    return [...new Set([...packages, ...wanted])];
  }

  /** Downloads packages (`name` or `name=version`) into `folder`; a package that the sources lack is an error. */
  async download(packages: string[], folder: string): Promise<string[]> {
    mkdirSync(folder, { recursive: true });
    await this.run("apt-get", ["download", "-q", ...packages], folder);
    return readdirSync(folder)
      .filter((name) => name.endsWith(".deb"))
      .map((name) => path.join(folder, name));
  }

  private get listsFolder(): string {
    return path.join(this.folder, "lists");
  }

  private async configure(): Promise<void> {
    for (const name of ["lists/partial", "archives/partial", "sources.list.d"]) {
      mkdirSync(path.join(this.folder, name), { recursive: true });
    }
    writeFileSync(path.join(this.folder, "sources.list.d", "carillon.sources"), this.renderedSources);
    const preferences = path.join(this.folder, "preferences");
    writeFileSync(preferences, this.alsoTaken === undefined ? "" : pinLikeOthers(this.alsoTaken));
    const machine = await run("apt-config", ["dump"], { env: { ...process.env, LC_ALL: "C" } });
    const acquire = machine.stdout
      .split("\n")
      .filter((line) => line.startsWith("Acquire::") && !line.startsWith("Acquire::IndexTargets"));
    const own = {
      "Dir::State": this.folder,
      "Dir::State::lists": this.listsFolder,
      "Dir::Cache": this.folder,
      "Dir::Cache::archives": path.join(this.folder, "archives"),
      "Dir::Etc::main": "/dev/null",
      "Dir::Etc::parts": "/dev/null",
      "Dir::Etc::sourcelist": "/dev/null",
      "Dir::Etc::sourceparts": path.join(this.folder, "sources.list.d"),
      "Dir::Etc::preferences": preferences,
      "Dir::Etc::preferencesparts": "/dev/null",
      // The user _apt may not write into this folder.
      "APT::Sandbox::User": "root",
      "Debug::NoLocking": "1",
      "Acquire::Languages": "none",
      "Acquire::Retries": "2",
      // The index of the newest suite is large, so it is kept compressed and without apt's cache of it.
      "Acquire::GzipIndexes": "true",
      "Dir::Cache::pkgcache": "",
      "Dir::Cache::srcpkgcache": "",
    };
    const lines = Object.entries(own).map(([key, value]) => `${key} "${value}";`);
    writeFileSync(path.join(this.folder, "apt.conf"), `${[...acquire, ...lines].join("\n")}\n`);
  }

  private async run(
    command: string,
    args: string[],
    cwd = this.folder,
    stream: "stdout" | "stderr" = "stdout",
  ): Promise<string> {
    const result = await run(command, args, { env: this.env, cwd, maxBuffer: 64 << 20, timeout: 600_000 });
    return result[stream];
  }
}

const run = promisify(execFile);

/** The priority that apt gives every release that need not be requested by name. */
function pinLikeOthers(suite: string): string {
  return ["Package: *", `Pin: release n=${suite}`, "Pin-Priority: 500", ""].join("\n");
}

/** The informative lines of an apt failure. */
export function firstErrors(message: string): string {
  const lines = message.split("\n").filter((line) => /^(E|Err|W):?/.test(line));
  return (lines.length > 0 ? lines : message.split("\n")).slice(0, 3).join(" ");
}

/** Reads all apt sources of the machine, from `sources.list` and `sources.list.d`. */
export function readMachineSources(etc = "/etc/apt"): AptSource[] {
  const parts = path.join(etc, "sources.list.d");
  const files = [path.join(etc, "sources.list")];
  if (existsSync(parts)) {
    files.push(...readdirSync(parts).map((name) => path.join(parts, name)));
  }
  return files
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      const text = file.endsWith(".list") || file.endsWith(".sources") ? readFileSync(file, "utf8") : "";
      return file.endsWith(".sources") ? parseDeb822Sources(text) : parseOneLineSources(text);
    });
}

/** Returns the machine's Debian codename (`bookworm`); undefined on another distribution. */
export function debianCodename(osRelease = "/etc/os-release"): string | undefined {
  if (!existsSync(osRelease)) {
    return undefined;
  }
  const text = readFileSync(osRelease, "utf8");
  return /^ID="?debian"?$/m.test(text) ? (/^VERSION_CODENAME="?(\w+)"?$/m.exec(text)?.[1] ?? "sid") : undefined;
}
