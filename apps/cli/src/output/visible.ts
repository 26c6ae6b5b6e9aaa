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
