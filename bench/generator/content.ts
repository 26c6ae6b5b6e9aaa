/** The content of a generator's message: the sender's number for it, and the instant from which it is timed, in us. */
export const CONTENT_BYTES = 100;
const PADDING = "x".repeat(CONTENT_BYTES);
const SPACE = 32;
const ZERO = 48;

export function writeContent(number: number, us: number): string {
  return `${number} ${us} ${PADDING}`.slice(0, CONTENT_BYTES);
}

/** Puts number and instant into `into`, without making objects. @returns false for content that no generator has written */
export function readContent(content: string, into: { number: number; us: number }): boolean {
  const first = digitsUpTo(content, 0);
  const second = digitsUpTo(content, first.end + 1);
  if (first.end === 0 || second.end === first.end + 1) return false;
  into.number = first.value;
  into.us = second.value;
  return content.length === CONTENT_BYTES;
}

function digitsUpTo(content: string, from: number): { value: number; end: number } {
  let [value, at] = [0, from];
  for (; at < content.length && content.charCodeAt(at) !== SPACE; at++)
    value = value * 10 + content.charCodeAt(at) - ZERO;
  return { value, end: at };
}
