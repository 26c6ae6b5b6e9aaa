/** Changes carillon.json in its place: owner and mode stay, and a reader sees the old or the new file, never a part. */
import {
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";

/** The content of the file. @throws Error when it cannot be read, or is not JSON */
export function readSettingsFile(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
}

/** Replaces the file; of a symbolic link, the file to which it leads. @throws Error: then the file is as before */
export function writeSettingsFile(name: string, content: object): void {
  const file = realpathSync(name);
  const { mode, uid, gid } = statSync(file);
  const draft = `${file}.${process.pid}.tmp`;
  const opened = openSync(draft, "wx", mode & 0o777);
  try {
    writeFileSync(opened, `${JSON.stringify(content, null, 2)}\n`);
    fsyncSync(opened);
    const { uid: own, gid: ownGroup } = statSync(draft);
    // Root may rotate for the user under whom the processes run, and who must be able to read the file afterwards.
    if (own !== uid || ownGroup !== gid) chownSync(draft, uid, gid);
    renameSync(draft, file);
  } catch (error) {
    unlinkSync(draft);
    throw error;
  } finally {
    closeSync(opened);
  }
}
