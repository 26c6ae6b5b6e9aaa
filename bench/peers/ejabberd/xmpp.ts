/** The part of XMPP that a load client needs: it cuts a stream into stanzas, and reads those that the client waits for. */
import { StringDecoder } from "node:string_decoder";

/** The text that the cutter returns when the server ends its stream. */
export const END_OF_STREAM = "</stream:stream>";

const STREAM = "stream:stream";

/**
 * Cuts a stream into its children, wherever the chunks begin and end. It looks at angle brackets and quotes only, which is
 * enough for a server's stream, which has no comments and no CDATA. A stream may begin again, as after the log-in.
 */
export class StanzaCutter {
  private readonly decoder = new StringDecoder("utf8");
  private text = "";
  /** Place from which the cutter looks for the next tag. */
  private at = 0;
  /** Beginning of the unfinished child. */
  private start = 0;
  private depth = 0;

  /** @returns the complete children as texts, and END_OF_STREAM */
  push(chunk: Buffer): string[] {
    this.text += this.decoder.write(chunk);
    const stanzas: string[] = [];
    for (;;) {
      const open = this.text.indexOf("<", this.at);
      const close = open < 0 ? -1 : endOfTag(this.text, open);
      if (close < 0) break;
      this.at = close + 1;
      this.take(open, close, stanzas);
    }
    const done = this.depth > 1 ? this.start : this.at;
    this.text = this.text.slice(done);
    this.at -= done;
    this.start = 0;
    return stanzas;
  }

  private take(open: number, close: number, stanzas: string[]): void {
    const { text } = this;
    const second = text[open + 1];
    if (second === "?") return;
    if (text.startsWith(STREAM, open + 1)) {
      this.depth = 1;
    } else if (second === "/") {
      this.depth--;
      if (this.depth === 1) stanzas.push(text.slice(this.start, close + 1));
      else if (this.depth === 0) stanzas.push(END_OF_STREAM);
    } else {
      if (this.depth === 1) this.start = open;
      if (text[close - 1] !== "/") this.depth++;
      else if (this.depth === 1) stanzas.push(text.slice(open, close + 1));
    }
  }
}

/** Returns the place of the bracket that closes a tag, which is not between quotes; -1 while it has not come. */
function endOfTag(text: string, open: number): number {
  let quote = "";
  for (let i = open + 1; i < text.length; i++) {
    const character = text[i]!;
    if (quote !== "") {
      if (character === quote) quote = "";
    } else if (character === ">") {
      return i;
    } else if (character === "'" || character === '"') {
      quote = character;
    }
  }
  return -1;
}

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;" };
const UNESCAPES = new Map(Object.entries(ESCAPES).map(([plain, escaped]) => [escaped, plain]));

export function escapeXml(text: string): string {
  return /[&<>'"]/.test(text) ? text.replace(/[&<>'"]/g, (character) => ESCAPES[character]!) : text;
}

/** Returns the text of a message; undefined when it has none. */
export function bodyOf(stanza: string): string | undefined {
  const start = stanza.indexOf("<body>");
  const end = stanza.indexOf("</body>", start);
  if (start < 0 || end < 0) return undefined;
  const text = stanza.slice(start + "<body>".length, end);
  return text.includes("&") ? text.replace(/&\w+;/g, (escaped) => UNESCAPES.get(escaped) ?? escaped) : text;
}

/** Returns the count in an acknowledgement of stream management. */
export function acknowledgedBy(stanza: string): number {
  return Number(/ h=['"](\d+)['"]/.exec(stanza)?.[1]);
}
