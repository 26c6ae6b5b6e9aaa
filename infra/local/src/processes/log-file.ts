import { closeSync, existsSync, fstatSync, mkdirSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import path from "node:path";

/**
 * A log that is appended to, and moved aside when it has grown: `x.log`, `x.log.1`, `x.log.2`. Writing never throws:
 * a full disk must not end the supervisor.
 */
export class LogFile {
  private descriptor: number;
  private size: number;

  constructor(
    readonly file: string,
    private readonly maxBytes = 50 << 20,
    private readonly keep = 3,
  ) {
    mkdirSync(path.dirname(file), { recursive: true });
    this.descriptor = openSync(file, "a");
    this.size = fstatSync(this.descriptor).size;
  }

  /** Appends one line; the line end is added. */
  write(line: string): void {
    try {
      if (this.size > this.maxBytes) {
        this.rotate();
      }
      this.size += writeSync(this.descriptor, `${line}\n`);
    } catch {
      // Nothing can be reported where reports go.
    }
  }

  /** Goes on in a new file: somebody else has moved the old one aside. */
  reopen(): void {
    closeSync(this.descriptor);
    this.descriptor = openSync(this.file, "a");
    this.size = fstatSync(this.descriptor).size;
  }

  close(): void {
    closeSync(this.descriptor);
  }

  private rotate(): void {
    closeSync(this.descriptor);
    rotateFiles(this.file, this.keep);
    this.descriptor = openSync(this.file, "a");
    this.size = 0;
  }
}

/** Moves `file` to `file.1`, `file.1` to `file.2` and so on; the last of `keep` files is overwritten. */
function rotateFiles(file: string, keep: number): void {
  for (let number = keep - 1; number >= 1; number--) {
    const from = number === 1 ? file : `${file}.${number - 1}`;
    if (existsSync(from)) {
      renameSync(from, `${file}.${number}`);
    }
  }
}

/** Moves aside a log of a server that is about to start, when it has grown: the server itself only appends. */
export function rotateLargeLog(file: string, maxBytes = 50 << 20): void {
  if (existsSync(file) && statSync(file).size > maxBytes) {
    rotateFiles(file, 3);
  }
}

/** Cuts a byte stream into lines; a line longer than 1 MiB is handed on in pieces. */
export function lineSplitter(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest = "";
  const decoder = new TextDecoder();
  return (chunk) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      onLine(line);
    }
    if (rest.length > 1 << 20) {
      onLine(rest);
      rest = "";
    }
  };
}
