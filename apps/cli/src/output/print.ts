/** Output of the commands: one JSON document for programs, a table for people. */
import Table from "cli-table3";
import { createColors } from "picocolors";
import { areColoursForced } from "../config";

const NO_LINES = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "", "bottom-left": "" },
  ...{ "bottom-right": "", left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " },
};

export type Cell = string | number | boolean | null | undefined;

/** A table without borders; an empty cell is shown as `-`. */
export function tableOf(head: string[], rows: Cell[][]): string {
  const style = { head: [], border: [], "padding-left": 0, "padding-right": 0 };
  const table = new Table({ head: head.map((text) => colours.dim(text)), chars: NO_LINES, style });
  table.push(...rows.map((row) => row.map((cell) => (cell === null || cell === undefined ? "-" : String(cell)))));
  return `${table.toString()}\n`;
}

/**
 * Prints the document as JSON, or as the text that `describe` makes of it.
 * @param describe gets the document with control characters replaced by pictures, and must make its text from that alone
 */
export function print<T>(document: T, json: boolean | undefined, describe: (document: T) => string): void {
  if (json === true) process.stdout.write(`${terminalJson(document)}\n`);
  else process.stdout.write(terminalText(describe(visibleParts(document))));
}

/** Formats a duration in ms: 12s, 3m, 5h, 2d. */
export function ageOf(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)}h` : `${Math.round(seconds / 86_400)}d`;
}

/** Colours a state by its meaning. */
export function stateColour(state: string): string {
  if (state === "up") return colours.green(state);
  return state === "silent" ? colours.red(state) : colours.yellow(state);
}

/** Formats numbers with their names: `connections 3, users 2`. */
export function describeLoad(load: Record<string, number>): string {
  const parts = Object.entries(load).map(([name, number]) => `${name} ${Math.round(number * 100) / 100}`);
  return parts.length === 0 ? "-" : parts.join(", ");
}

/**
 * Makes texts of other users harmless on a terminal. A control character in a name or a message would move the cursor, clear the
 * screen or fill the clipboard; a line end would add a row to a table; a bidi override would turn the rest of the line around.
 * Each such character is shown as a picture instead.
 */
const UNSEEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/** Colours: the command's own output may contain them, besides text, line ends and tabs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression looks for control characters
const COLOUR = /\u001b\[\d{1,3}(?:;\d{1,3})*m/g;

const PICTURES = 0x2400;
const DELETE = 0x7f;
const PICTURE_OF_DELETE = "\u2421";

/** The text with pictures instead of control characters: `␛]52;...`, `␊`, `<U+202E>`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, pictureOf);
}

/** The document with all its texts `visible`; output for people is made from it. */
export function visibleParts<T>(document: T): T {
  if (typeof document === "string") return visible(document) as T;
  if (Array.isArray(document)) return document.map(visibleParts) as T;
  if (typeof document !== "object" || document === null) return document;
  return Object.fromEntries(Object.entries(document).map(([key, value]) => [visible(key), visibleParts(value)])) as T;
}

/**
 * Makes the command's own text safe for the terminal: colours, line ends and tabs stay, other control characters become
 * pictures.
 */
export function terminalText(text: string): string {
  const colours = text.match(COLOUR) ?? [];
  const lines = text
    .split(COLOUR)
    .map((part) => part.replace(UNSEEN, (one) => (/[\n\t]/.test(one) ? one : pictureOf(one))));
  return lines.map((part, i) => part + (colours[i] ?? "")).join("");
}

/** A JSON document as one line of equal meaning without control characters. */
export function terminalJson(document: unknown): string {
  return JSON.stringify(document).replace(UNSEEN, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function pictureOf(one: string): string {
  const code = one.codePointAt(0)!;
  if (code < 0x20) return String.fromCodePoint(PICTURES + code);
  return code === DELETE ? PICTURE_OF_DELETE : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

/** Colours on a terminal only: not in a file, a pipe or the log of a build, unless FORCE_COLOR asks for them. */

export const colours = createColors(areColoursForced() ?? process.stdout.isTTY === true);
