import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const PACKAGE = path.join(__dirname, "..", "..");
const SHORT = 10;

/** Version of the product, from the package.json of this package: all packages have the same version. */
export function productVersion(): string {
  return (JSON.parse(readFileSync(path.join(PACKAGE, "package.json"), "utf8")) as { version: string }).version;
}

/**
 * Version and commit, `0.1.0+1a2b3c4d5e`, so that two builds of one version differ. The commit is that of the checkout; an image
 * without a checkout carries it in a file `COMMIT` beside the packages. Without either, the result is the version alone.
 */
export function buildVersion(): string {
  const commit = readCommit(path.join(PACKAGE, "..", ".."));
  return commit === undefined ? productVersion() : `${productVersion()}+${commit.slice(0, SHORT)}`;
}

function readCommit(root: string): string | undefined {
  try {
    const file = path.join(root, "COMMIT");
    return existsSync(file) ? readFileSync(file, "utf8").trim() : readHead(path.join(root, ".git"));
  } catch {
    return undefined;
  }
}

/** Reads HEAD of a repository: it names a commit, or a reference in a file of its own or among the packed references. */
function readHead(git: string): string | undefined {
  const folder = folderOf(git);
  const head = readFileSync(path.join(folder, "HEAD"), "utf8").trim();
  if (!head.startsWith("ref: ")) return head;
  const reference = head.slice("ref: ".length);
  const common = path.join(folder, "commondir");
  const shared = existsSync(common) ? path.join(folder, readFileSync(common, "utf8").trim()) : folder;
  const loose = path.join(shared, reference);
  if (existsSync(loose)) return readFileSync(loose, "utf8").trim();
  const packed = readFileSync(path.join(shared, "packed-refs"), "utf8").split("\n");
  return packed.find((line) => line.endsWith(` ${reference}`))?.split(" ", 1)[0];
}

/** The git folder: in a work tree of another repository, `.git` is a file that names it. */
function folderOf(git: string): string {
  try {
    return readFileSync(git, "utf8")
      .trim()
      .replace(/^gitdir: /, "");
  } catch {
    return git;
  }
}
