/**
 * Checks the style rules that matter: sizes of files, functions and folders, imports between the stages of an app,
 * settings read in config files only, files that nothing imports, words of unfinished work, timers without a boundary,
 * private members of the SDK.
 * `npm run tidy` prints one line for each problem, and fails if there is one.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

const MOST_FILE_LINES = 500;
const MOST_FUNCTION_LINES = 70;
const MOST_FOLDER_FILES = 12;

/**
 * The stages of each app, in the order in which a message passes them, or in which they need each other. A stage may import
 * the stages before it.
 */
const STAGES: Record<string, readonly string[]> = {
  gateway: [
    ...["accept", "session", "receive", "submit", "inbox", "groups"],
    ...["presence", "typing", "receipts", "recovery", "drain"],
  ],
  worker: ["decide", "lookups", "answers", "fan-out", "partition", "receipts", "presence", "sessions"],
  archiver: ["write", "purge"],
};

/** The words are split, so that the check does not find this file. */
const UNFINISHED = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);

/** Files that are started and not imported. */
const ENTRIES = [
  /^apps\/[^/]+\/src\/main\.ts$/,
  /^(libs\/[^/]+|infra\/local|tests\/kit)\/src\/(index|node|browser)\.ts$/,
  /^libs\/base\/src\/node\/(index|command-line|process-lock)\.ts$/,
  /^(scripts|bench)\//,
  /\.test\.ts$/,
  /\/test\/fixtures\//,
];

interface Source {
  file: string;
  lines: string[];
}

const problems: string[] = [];
const sources = listSources();
for (const source of sources) {
  checkLength(source);
  checkFunctions(source);
  checkStages(source);
  checkSettings(source);
  checkWords(source);
  checkTimers(source);
  checkPrivate(source);
}
checkFolders(sources);
checkDeadFiles(sources);

for (const problem of problems) console.log(problem);
console.log(problems.length === 0 ? `tidy: ${sources.length} files in order` : `tidy: ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;

function listSources(): Source[] {
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.tsx"], {
    encoding: "utf8",
  });
  return files
    .split("\n")
    .filter((file) => file !== "" && !file.includes("/generated/"))
    .flatMap((file) => {
      try {
        return [{ file, lines: readFileSync(file, "utf8").split("\n") }];
      } catch {
        // Deleted and not yet committed.
        return [];
      }
    });
}

function checkLength({ file, lines }: Source): void {
  if (lines.length > MOST_FILE_LINES)
    problems.push(`${file}: ${lines.length} lines; the maximum is ${MOST_FILE_LINES}`);
}

/** The sources are formatted, so a function ends at the first closing brace of its own indentation. */
function checkFunctions({ file, lines }: Source): void {
  if (file.endsWith(".test.ts")) return;
  const opening =
    /^(\s*)(?:export )?(?:async )?(?:function\b|(?:(?:public|private|protected|static|override|async|get|set) )*[\w#]+(?:<[^>]*>)?\().*\{$/;
  const control = /^\s*(if|for|while|switch|catch|return|else|do|test|describe|beforeAll)\b/;
  lines.forEach((line, start) => {
    const match = opening.exec(line);
    if (match === null || control.test(line)) return;
    const end = lines.indexOf(`${match[1]}}`, start);
    if (end - start > MOST_FUNCTION_LINES) {
      problems.push(`${file}:${start + 1}: a function of ${end - start} lines; the maximum is ${MOST_FUNCTION_LINES}`);
    }
  });
}

/** Stages may share types; the root files of the app wire the code of different stages. */
function checkStages({ file, lines }: Source): void {
  const [, app, stage] = /^apps\/([^/]+)\/src\/([^/]+)\//.exec(file) ?? [];
  const order = STAGES[app ?? ""];
  if (order === undefined || stage === undefined) return;
  if (!order.includes(stage)) problems.push(`${file}: stage ${stage} is not in the order of ${app} (scripts/tidy.ts)`);
  for (const [statement, names, target] of lines
    .join("\n")
    .matchAll(/^import ([^;]*?) from "\.\.\/([^/"]+)\/[^"]+";$/gms)) {
    const isType = statement.startsWith("import type ") || !/(?:\{|,)\s*(?!type )\w/.test(names!);
    if (isType || order.indexOf(target!) < order.indexOf(stage)) continue;
    problems.push(`${file}: stage ${stage} imports code of stage ${target}, which comes after it`);
  }
}

function checkSettings({ file, lines }: Source): void {
  if (!/^(apps|libs)\/[^/]+\/src\//.test(file) || /(config|settings)\.ts$/.test(file)) return;
  lines.forEach((line, at) => {
    if (line.includes("process.env")) problems.push(`${file}:${at + 1}: settings are read in config.ts only`);
  });
}

function checkWords({ file, lines }: Source): void {
  lines.forEach((line, at) => {
    if (UNFINISHED.test(line)) problems.push(`${file}:${at + 1}: words of unfinished work`);
  });
}

/**
 * A callback of a timer in a server process must go through the boundary (libs/base/src/boundary.ts): an error that leaves it ends
 * the process. Callbacks that only settle a promise cannot fail.
 */
function checkTimers({ file, lines }: Source): void {
  if (!/^(apps\/(api|archiver|gateway|worker)|libs\/(base|bus|coordination|store))\/src\//.test(file)) return;
  const text = lines.join("\n");
  for (const match of text.matchAll(/\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\(\s*/g)) {
    const callback = text.slice(match.index + match[0].length, match.index + match[0].length + 40);
    const isSafe = /^(guarded\(|resolve\b|done\b|callback\b|\(\) => (resolve|reject|process\.exit)\()/.test(callback);
    if (isSafe || isGuardedName(lines, callback)) continue;
    problems.push(`${file}: a timer calls a function that is not guarded: ${callback.split("\n", 1)[0]}`);
  }
}

/** Whether the callback is a constant of this file that `guarded` returned. */
function isGuardedName(lines: string[], callback: string): boolean {
  const [, name] = /^(\w+)\b/.exec(callback) ?? [];
  return name !== undefined && lines.some((line) => line.includes(`const ${name} = guarded(`));
}

/** Code for browsers uses #names, which a minifier can shorten; a parameter property of a constructor cannot have one. */
function checkPrivate({ file, lines }: Source): void {
  if (!file.startsWith("libs/client/src/")) return;
  lines.forEach((line, at) => {
    if (/^ {2}private (?!constructor\b)/.test(line)) problems.push(`${file}:${at + 1}: a private member is #name here`);
  });
}

function checkFolders(all: Source[]): void {
  const counts = new Map<string, number>();
  for (const { file } of all) {
    const folder = path.dirname(file);
    if (/\/src(\/|$)/.test(folder)) counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  for (const [folder, count] of counts) {
    if (count > MOST_FOLDER_FILES)
      problems.push(`${folder}: ${count} files; split it, the maximum is ${MOST_FOLDER_FILES}`);
  }
}

function checkDeadFiles(all: Source[]): void {
  const imported = new Set<string>();
  for (const { file, lines } of all) {
    for (const [, target] of lines.join("\n").matchAll(/(?:from|import|require|import\()\s*\(?"(\.{1,2}\/[^"]+)"/g)) {
      const base = path.join(path.dirname(file), target!);
      for (const ending of ["", ".ts", ".tsx", "/index.ts"]) imported.add(base + ending);
    }
  }
  for (const { file } of all) {
    if (!imported.has(file) && !ENTRIES.some((entry) => entry.test(file)) && /\/src\//.test(file)) {
      problems.push(`${file}: nothing imports it`);
    }
  }
}
