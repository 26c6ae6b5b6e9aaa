import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Writes JSON so that a reader sees the old or the new content, never a part. Only the owner can read the file. */
export function writeJsonAtomically(file: string, content: unknown): void {
  writeTextAtomically(file, `${JSON.stringify(content, null, 2)}\n`);
}

/** As `writeJsonAtomically`, for any text. */
export function writeTextAtomically(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, file);
}

/** Returns the parsed content, or undefined when the file is missing or not JSON. */
export function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as T;
  } catch {
    return undefined;
  }
}
