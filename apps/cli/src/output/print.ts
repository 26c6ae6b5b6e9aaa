/** Output of the commands: one JSON document for programs, a table for people. */
import Table from "cli-table3";
import { colours as pc } from "./colours";
import { terminalJson, terminalText, visibleParts } from "./visible";

const NO_LINES = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "", "bottom-left": "" },
  ...{ "bottom-right": "", left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " },
};

export type Cell = string | number | boolean | null | undefined;

/** A table without borders; an empty cell is shown as `-`. */
export function tableOf(head: string[], rows: Cell[][]): string {
  const style = { head: [], border: [], "padding-left": 0, "padding-right": 0 };
  const table = new Table({ head: head.map((text) => pc.dim(text)), chars: NO_LINES, style });
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
  if (state === "up") return pc.green(state);
  return state === "silent" ? pc.red(state) : pc.yellow(state);
}

/** Formats numbers with their names: `connections 3, users 2`. */
export function describeLoad(load: Record<string, number>): string {
  const parts = Object.entries(load).map(([name, number]) => `${name} ${Math.round(number * 100) / 100}`);
  return parts.length === 0 ? "-" : parts.join(", ");
}
