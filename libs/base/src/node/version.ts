import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const PACKAGE = path.join(__dirname, "..", "..");
const SHORT = 10;

/** Version of the product, as the package.json of this package says it: all packages carry the same one. */
export function productVersion(): string {
  return (JSON.parse(readFileSync(path.join(PACKAGE, "package.json"), "utf8")) as { version: string }).version;
}

/**
 * Version and commit, `0.1.0+1a2b3c4d5e`: two builds of one version can be told apart. The commit is that of the checkout; an
 * image that has none carries it in a file `COMMIT` beside the packages. Without either, the version alone.
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

/** What HEAD of a repository names: a commit, or a reference that lies in a file of its own or among the packed ones. */
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

/** In a work tree of another repository `.git` is a file that names the folder. */
function folderOf(git: string): string {
  try {
    return readFileSync(git, "utf8")
      .trim()
      .replace(/^gitdir: /, "");
  } catch {
    return git;
  }
}
