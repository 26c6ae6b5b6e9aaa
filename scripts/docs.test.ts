/** Compares the documentation with the code: every file, link, command and setting that a page names must exist. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describeSettings } from "../libs/base/src/node/settings";
import { drift } from "./generate";

const root = path.dirname(__dirname);

const pages = ["README.md", "CONTRIBUTING.md", ...pagesIn("docs")].filter((page) => existsSync(path.join(root, page)));

function pagesIn(folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return pagesIn(name);
    return name.endsWith(".md") ? [name] : [];
  });
}

const textOf = (page: string) => readFileSync(path.join(root, page), "utf8");

/** A page without its blocks of code, in which brackets mean other things. */
const proseOf = (page: string) => textOf(page).replace(/^```[\s\S]*?^```$/gm, "");

/** Whether a path of the checkout exists; `*` stands for any name in its folder. */
function isThere(file: string): boolean {
  let folders = [root];
  for (const part of file.split("/").filter(Boolean)) {
    const fits = new RegExp(`^${part.replace(/[.+]/g, "\\$&").replaceAll("*", ".*")}$`);
    folders = folders.flatMap((folder) =>
      part.includes("*") && existsSync(folder)
        ? readdirSync(folder)
            .filter((name) => fits.test(name))
            .map((name) => path.join(folder, name))
        : [path.join(folder, part)],
    );
  }
  return folders.some((folder) => existsSync(folder));
}

/** `a/{b,c}` as `a/b` and `a/c`. */
function spellOut(name: string): string[] {
  const [, before, inside, after] = /^(.*?)\{([^}]*)\}(.*)$/.exec(name) ?? [];
  if (inside === undefined) return [name];
  return inside.split(",").flatMap((part) => spellOut(`${before}${part}${after}`));
}

/** The anchor of a heading in a link. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .trim()
    .replaceAll(" ", "-");

const anchorsIn = (page: string) => [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!));

test("there is something to check", () => {
  expect(pages).toEqual(
    expect.arrayContaining(["README.md", "docs/protocol.md", "docs/journey.md", "docs/operating.md"]),
  );
});

test.each(pages)("%s: every file that is named exists", (page) => {
  const named = [...textOf(page).matchAll(/`((?:apps|libs|scripts|schemas|infra|tests|docs)\/[\w\-./*{},]*)`/g)];
  const missing = named.flatMap(([, name]) => spellOut(name!)).filter((name) => !isThere(name));
  expect(missing).toEqual([]);
});

test.each(pages)("%s: every link leads somewhere", (page) => {
  const broken = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [file, anchor] = target.split("#") as [string, string?];
      const linked = file === "" ? page : path.posix.join(path.posix.dirname(page), file);
      if (!existsSync(path.join(root, linked))) return true;
      return anchor !== undefined && !anchorsIn(linked).includes(anchor);
    });
  expect(broken).toEqual([]);
});

test.each(pages)("%s: every npm script and every variable that is named exists", (page) => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { scripts: object };
  const ours = [...textOf(page).matchAll(/npm run (?:-s )?([a-z][\w:-]*)/g)].map(([, name]) => name!);
  expect(ours.filter((name) => !(name in scripts))).toEqual([]);
  const settings = describeSettings().map(({ variable }) => variable);
  const known = [...settings, "CARILLON_CONFIG", "CARILLON_DATA", "CARILLON_FAILPOINT"];
  const variables = [...textOf(page).matchAll(/CARILLON_[A-Z_]*[A-Z]/g)].map(([name]) => name);
  expect(variables.filter((name) => !known.includes(name))).toEqual([]);
});

test("generated pages are up to date: run npm run generate when this fails", () => {
  expect(drift(root).filter((file) => file.startsWith("docs/"))).toEqual([]);
  expect(textOf("docs/configuration.md").match(/\*\*Secret\.\*\*/g)).toHaveLength(
    describeSettings().filter(({ secret }) => secret).length,
  );
});

test("docs/journey.md has the steps of the code, each with its files", () => {
  const sections = proseOf("docs/journey.md")
    .split(/^## (?=\d+\. )/m)
    .slice(1);
  const steps = new Map(
    sections.map((section) => {
      const [, number, name] = /^(\d+)\. ([\w-]+)/.exec(section)!;
      return [Number(number), { name: name!, text: section }];
    }),
  );
  expect([...steps.keys()]).toEqual(Array.from({ length: steps.size }, (_, i) => i + 1));
  for (const { text } of steps.values()) expect(text).toMatch(/`(apps|libs)\/[\w\-/.]+\.ts`/);
  const told = ["gateway/src/journey.ts", "worker/src/partition/journey.ts"].flatMap((file) => [
    ...textOf(`apps/${file}`).matchAll(/\*\* Steps? (\d+)(?: to \d+)?, ([a-z-]+)/g),
  ]);
  expect(told.length).toBeGreaterThan(6);
  for (const [, number, name] of told) expect(steps.get(Number(number))?.name.toLowerCase()).toBe(name);
});

test("docs/README.md lists every page of docs/", () => {
  const listed = [...textOf("docs/README.md").matchAll(/\]\(([^)#]+)/g)].map(([, target]) => `docs/${target}`);
  const missing = pages.filter((page) => /^docs\/[^/]+$/.test(page) && !listed.includes(page));
  expect(missing).toEqual(["docs/README.md"]);
});
