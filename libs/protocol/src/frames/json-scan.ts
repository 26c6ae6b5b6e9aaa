/**
 * Checks the text of a JSON frame for what JSON.parse does not report: depth, number of entries, duplicate keys,
 * `__proto__`. The text must already be valid JSON, so the scan only has to find strings, brackets and colons.
 */
import { limits } from "../generated/limits";

/** A container that is open at the present position. `keys` is undefined in a list. */
interface Level {
  keys: Set<string> | undefined;
  entries: number;
  key: string;
}

/** A fault, and whether it lies inside the payload or in the frame around it. */
export interface JsonFault {
  inPayload: boolean;
  message: string;
}

/** Scans valid JSON text. Depth counts from the payload, as in the binary form. */
export function scanJson(text: string): JsonFault | undefined {
  const levels: Level[] = [];
  let keyIsNext = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '"') {
      const end = endOfString(text, at);
      if (keyIsNext) {
        const reason = takeKey(levels.at(-1) as Level, text.slice(at, end + 1));
        if (reason !== undefined) return faultAt(levels, reason);
        keyIsNext = false;
      }
      at = end;
    } else if (character === "{" || character === "[") {
      if (levels.length > limits.maxDepth) return faultAt(levels, `deeper than ${limits.maxDepth} levels`);
      levels.push({ keys: character === "{" ? new Set() : undefined, entries: 1, key: "" });
      keyIsNext = character === "{";
    } else if (character === "}" || character === "]") {
      levels.pop();
      keyIsNext = false;
    } else if (character === ",") {
      const level = levels.at(-1) as Level;
      level.entries += 1;
      keyIsNext = level.keys !== undefined;
      if (level.entries > limits.maxEntries) {
        levels.pop();
        return faultAt(levels, `must have at most ${limits.maxEntries} entries`);
      }
    }
  }
  return undefined;
}

/** Returns the index of the quote that closes the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

function takeKey(level: Level, quoted: string): string | undefined {
  const key: string = JSON.parse(quoted);
  level.key = key.length > limits.maxKeyBytes ? `${key.slice(0, limits.maxKeyBytes)}...` : key;
  if (key === "__proto__") return "is not allowed as a key";
  if (key.length > limits.maxKeyBytes) return `a key is longer than ${limits.maxKeyBytes} bytes`;
  if (level.keys?.has(key)) return "duplicate key";
  level.keys?.add(key);
  return undefined;
}

/** Returns the path from the payload on: the first level is the frame, and its key is "payload". */
function faultAt(levels: readonly Level[], reason: string): JsonFault {
  const inPayload = levels.length > 1 || levels[0]?.key === "payload";
  let path = "";
  for (const level of levels.slice(1)) {
    if (level.keys === undefined) path += `[${level.entries - 1}]`;
    else path += path === "" ? level.key : `.${level.key}`;
  }
  if (path === "") path = levels[0]?.key || "frame";
  return { inPayload, message: `${path}: ${reason}` };
}
