/** Compares the glossary with the code: it must contain each idea of Carillon, and no idea that is gone. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const root = path.dirname(__dirname);
const textOf = (file: string) => readFileSync(path.join(root, file), "utf8");

/** Files of a folder with this ending, also in the folders below it. */
function filesIn(folder: string, ending: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));
}

const sourcesOf = (app: string) => filesIn(`${app}/src`, ".ts");

/** The packages whose exported classes must stand in the glossary. */
const PACKAGES = ["libs/bus", "libs/coordination", "apps/worker"];

/** Exported classes whose names every engineer understands. */
const PLAIN_TERMS = ["Bucket", "Listeners", "RevisionConflict", "WorkerMetrics"];

const classes = PACKAGES.flatMap(sourcesOf).flatMap((file) =>
  [...textOf(file).matchAll(/^export (?:abstract )?class (\w+)/gm)].map(([, name]) => name!),
);

interface Row {
  term: string;
  meaning: string;
  code: string[];
}

const rows = [...textOf("docs/glossary.md").matchAll(/^\| (.+?) \| (.+?) \| (.*?) ?\|$/gm)]
  .map(
    ([, term, meaning, code]): Row => ({
      term: term!,
      meaning: meaning!,
      code: [...code!.matchAll(/`(\w+)`/g)].map(([, name]) => name!),
    }),
  )
  .filter(({ term }) => term !== "term" && !term.startsWith("--"));

const sources = ["apps", "libs"]
  .flatMap((folder) => readdirSync(path.join(root, folder)).map((name) => `${folder}/${name}`))
  .filter((app) => existsSync(path.join(root, app, "src")))
  .flatMap(sourcesOf);
const code = sources.map(textOf).join("\n");
const otherPages = filesIn("docs", ".md")
  .filter((page) => page !== "docs/glossary.md")
  .map(textOf)
  .join("\n");

test("there is something to check", () => {
  expect(classes.length).toBeGreaterThan(30);
  expect(rows.length).toBeGreaterThan(30);
});

test("every exported class of bus, coordination and worker stands in the glossary, or is a plain term", () => {
  const known = new Set([...rows.flatMap((row) => row.code), ...PLAIN_TERMS]);
  expect(classes.filter((name) => !known.has(name))).toEqual([]);
});

test("no plain term is excused that is gone, or that stands in the glossary", () => {
  const explained = new Set(rows.flatMap((row) => row.code));
  expect(PLAIN_TERMS.filter((name) => !classes.includes(name) || explained.has(name))).toEqual([]);
});

test("every term is in use, in another page or in the code", () => {
  // `ArchiveBarrier` in the code is an archive barrier.
  const words = `${otherPages}\n${code.replace(/([a-z])([A-Z])/g, "$1 $2")}`;
  const used = words.toLowerCase().replace(/\s+/g, " ");
  const unused = rows.map(({ term }) => term.replace(/ \(.*/, "")).filter((term) => !used.includes(term.toLowerCase()));
  expect(unused).toEqual([]);
});

test("everything that the glossary names in the code is there", () => {
  const names = new Set(code.match(/\b[A-Za-z_]\w*\b/g));
  expect(rows.flatMap((row) => row.code).filter((name) => !names.has(name))).toEqual([]);
});

test("terms are in alphabetical order, each once, and each meaning is a sentence", () => {
  const terms = rows.map(({ term }) => term);
  expect(terms).toEqual([...new Set(terms)].sort((a, b) => a.localeCompare(b, "en")));
  expect(rows.filter(({ meaning }) => !/^[A-Z].*\.$/.test(meaning)).map(({ term }) => term)).toEqual([]);
});
