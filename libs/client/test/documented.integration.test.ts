/** Checks that every public name of the built package has a comment, including methods of classes and events. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const dist = path.join(__dirname, "..", "dist");
const protocol = path.join(__dirname, "..", "..", "protocol", "dist", "index.d.ts");

interface Declaration {
  file: string;
  name: string;
}

/** The file behind `from "..."`. */
function resolve(from: string, target: string): string {
  if (target === "@carillon/protocol") return protocol;
  const base = path.join(path.dirname(from), target);
  return existsSync(`${base}.d.ts`) ? `${base}.d.ts` : path.join(base, "index.d.ts");
}

/** Returns the declarations that a file exports or re-exports. @param only these names; undefined: all */
function exportsOf(file: string, only?: ReadonlySet<string>): Declaration[] {
  const text = readFileSync(file, "utf8");
  const isWanted = (name: string) => only === undefined || only.has(name);
  const own = [
    ...text.matchAll(/^export declare (?:abstract )?(?:class|const|function) (\w+)|^export (?:interface|type) (\w+)/gm),
  ]
    .map(([, value, type]) => (value ?? type)!)
    .filter(isWanted)
    .map((name) => ({ file, name }));
  const named = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from "([^"]+)";/gm)].flatMap(([, names, target]) => {
    const passed = names!.split(",").map((name) => name.replace(/\btype\b/, "").trim());
    return exportsOf(resolve(file, target!), new Set(passed.filter((name) => name !== "" && isWanted(name))));
  });
  const starred = [...text.matchAll(/^export \* from "([^"]+)";/gm)].flatMap(([, target]) =>
    exportsOf(resolve(file, target!), only),
  );
  return [...own, ...named, ...starred];
}

const linesOf = (file: string) => readFileSync(file, "utf8").split("\n");

/** Whether a comment ends directly above a line. */
const isCommented = (lines: string[], at: number) => /\*\/$/.test(lines[at - 1]?.trimEnd() ?? "");

function placeOf({ file, name }: Declaration): { lines: string[]; at: number } {
  const lines = linesOf(file);
  const at = lines.findIndex((line) =>
    new RegExp(`^export (declare )?(abstract )?(class|const|function|interface|type) ${name}\\b`).test(line),
  );
  return { lines, at };
}

/** Returns the members without a comment; a method with several declarations needs only one. */
function bareMembers(declaration: Declaration): string[] {
  const { lines, at } = placeOf(declaration);
  const end = lines.indexOf("}", at);
  const commented = new Set<string>();
  const found = new Set<string>();
  for (let line = at + 1; line < end; line++) {
    const [, name] =
      /^ {4}(?!private |protected |constructor)(?:readonly |static |get |set |override )*(\w+)\??[<(:]/.exec(
        lines[line]!,
      ) ?? [];
    if (name === undefined) continue;
    found.add(name);
    if (isCommented(lines, line)) commented.add(name);
  }
  return [...found].filter((name) => !commented.has(name)).map((name) => `${declaration.name}.${name}`);
}

const isClass = (declaration: Declaration) => {
  const { lines, at } = placeOf(declaration);
  return / class /.test(lines[at]!);
};

const all = ["node.d.ts", "index.d.ts", "view-of.d.ts"].flatMap((file) => exportsOf(path.join(dist, file)));
const declarations = [...new Map(all.map((one) => [`${one.file} ${one.name}`, one])).values()];

test("the package exports names", () => {
  const names = declarations.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(["CarillonClient", "CarillonError", "ClientEvents", "Event", "View", "openFileStorage"]),
  );
  expect(names.length).toBeGreaterThan(50);
});

test("every exported name has a comment", () => {
  const bare = declarations.filter((one) => {
    const { lines, at } = placeOf(one);
    return at === -1 || !isCommented(lines, at);
  });
  expect(bare.map(({ name }) => name)).toEqual([]);
});

test("every method of a class, every event, option and part of the view has a comment", () => {
  const told = new Set(["BaseOptions", "ClientEvents", "ClientStorage", "ConversationSettings", "ViewBounds"]);
  const base = { file: path.join(dist, "client.d.ts"), name: "BaseClient" };
  const options = { file: path.join(dist, "options.d.ts"), name: "BaseOptions" };
  // `ClientStorage` documents the methods of `MemoryStorage`.
  const classes = declarations.filter((one) => isClass(one) && one.name !== "MemoryStorage");
  const wanted = [...classes, ...declarations.filter(({ name }) => told.has(name)), base];
  expect(wanted.length).toBeGreaterThan(10);
  expect([...wanted.flatMap(bareMembers), ...bareOptions(options)]).toEqual([]);
});

/** Returns the options without a comment; their interface is not exported. */
function bareOptions({ file }: Declaration): string[] {
  const lines = linesOf(file);
  const at = lines.findIndex((line) => line.startsWith("interface BaseOptions"));
  const end = lines.indexOf("}", at);
  const members = lines.slice(at + 1, end).flatMap((line, i) => (/^ {4}\w+\??:/.test(line) ? [at + 1 + i] : []));
  return members.filter((line) => !isCommented(lines, line)).map((line) => lines[line]!.trim());
}
