/**
 * Files that a process reads again while it runs: when one of them changes, and on SIGHUP. It looks at them every 10 s, because
 * renewals replace files by renames and symbolic links, which the watches of the operating system miss.
 */
import { statSync } from "node:fs";
import { guarded } from "../../boundary";
import type { Logger } from "../logger";

/** Interval of the check whether a file has changed, ms. */
const LOOK_MS = 10_000;

export interface WatchedFilesOptions {
  /** What they contain, for the logs: `the certificate`. */
  what: string;
  files: readonly string[];
  logger: Pick<Logger, "info" | "error">;
  /** Takes over what the files contain now. When it throws, what was in use stays, and the next check reads them again. */
  read(): void;
}

/** All that are watched in this process: it has one listener of SIGHUP for them. */
const all = new Set<WatchedFiles>();

function reloadAll(): void {
  for (const each of all) each.reload();
}

export class WatchedFiles {
  private readonly timer: NodeJS.Timeout;
  private version: string;

  constructor(private readonly options: WatchedFilesOptions) {
    this.version = this.stamp();
    const look = () => this.look();
    this.timer = setInterval(guarded("timer", look), LOOK_MS);
    this.timer.unref();
    if (all.size === 0) process.on("SIGHUP", reloadAll);
    all.add(this);
  }

  stop(): void {
    clearInterval(this.timer);
    if (all.delete(this) && all.size === 0) process.off("SIGHUP", reloadAll);
  }

  /** Reads the files, even if they seem the same. */
  reload(): void {
    const { what, files, logger, read } = this.options;
    const version = this.stamp();
    try {
      read();
    } catch (error) {
      logger.error({ err: error, files }, `${what} could not be read again, what is in use stays`);
      return;
    }
    this.version = version;
    logger.info({ files }, `${what} was read again`);
  }

  private look(): void {
    if (this.stamp() !== this.version) this.reload();
  }

  /** Changes whenever one of the files does. */
  private stamp(): string {
    return this.options.files
      .map((file) => statSync(file, { throwIfNoEntry: false }))
      .map((stat) => `${stat?.ino} ${stat?.size} ${stat?.mtimeMs}`)
      .join();
  }
}
