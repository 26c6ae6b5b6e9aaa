import { closeSync, existsSync, fstatSync, mkdirSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import path from "node:path";

/**
 * A log that is renamed when it has grown: `x.log`, `x.log.1`, `x.log.2`. Writing never throws, because a full disk must not end
 * the supervisor.
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

  /** Appends one line and a line end. */
  write(line: string): void {
    try {
      if (this.size > this.maxBytes) {
        this.rotate();
      }
      this.size += writeSync(this.descriptor, `${line}\n`);
    } catch {
      // The log itself is the place for reports, so this error cannot be reported.
    }
  }

  /** Continues in a new file, after another program has renamed the old one. */
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

/** Renames `file` to `file.1`, `file.1` to `file.2` and so on; the last of `keep` files is overwritten. */
function rotateFiles(file: string, keep: number): void {
  for (let number = keep - 1; number >= 1; number--) {
    const from = number === 1 ? file : `${file}.${number - 1}`;
    if (existsSync(from)) {
      renameSync(from, `${file}.${number}`);
    }
  }
}

/** Renames the log of a server before its start when it has grown, because the server itself only appends. */
export function rotateLargeLog(file: string, maxBytes = 50 << 20): void {
  if (existsSync(file) && statSync(file).size > maxBytes) {
    rotateFiles(file, 3);
  }
}

/** Cuts a byte stream into lines; passes a line longer than 1 MiB on in pieces. */
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
