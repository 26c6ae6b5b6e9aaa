import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import type { ProcessIdentity } from "@carillon/base/process-lock";

/**
 * Ends processes when this process ends, however it ends.
 *
 * A shell in its own session reads a pipe whose other end only this process holds. When the pipe closes (exit, crash,
 * kill -9), the shell kills the watched processes and removes the named folders. It compares the start times of processes before
 * it kills them, so outdated names do no harm and need not be removed.
 */
const SCRIPT = `
tenths=$1
trap '' HUP INT TERM QUIT
while read -r verb one two; do
  case $verb in
    watch) watched="$watched $one:$two" ;;
    remove) folders="$folders
$one\${two:+ $two}" ;;
    hurry) tenths=0 ;;
  esac
done
alive() {
  { read -r stat < "/proc/\${1%%:*}/stat"; } 2> /dev/null || return 1
  expected=\${1#*:}
  set -- \${stat##*) }
  shift 19
  [ "$1" = "$expected" ]
}
while [ "$tenths" -gt 0 ]; do
  left=
  for entry in $watched; do
    alive "$entry" && left=yes
  done
  [ -n "$left" ] || break
  sleep 0.1
  tenths=$((tenths - 1))
done
for entry in $watched; do
  alive "$entry" && kill -KILL "\${entry%%:*}" 2> /dev/null
done
[ -z "$folders" ] || sleep 0.1
echo "$folders" | while IFS= read -r folder; do
  [ -n "$folder" ] && rm -rf "$folder"
done
`;

export class ProcessGuard {
  private readonly shell: ChildProcess;
  private readonly ended: Promise<void>;

  /** @param graceSeconds time that the watched processes have to end by themselves after this process */
  constructor(graceSeconds = 0) {
    this.shell = spawn("/bin/sh", ["-c", SCRIPT, "carillon-guard", String(Math.round(graceSeconds * 10))], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
      cwd: "/",
    });
    this.ended = new Promise((resolve) => this.shell.once("exit", () => resolve()));
    this.shell.unref();
    (this.shell.stdin as unknown as { unref(): void }).unref();
    this.shell.stdin!.on("error", () => {});
  }

  /** Lets the given process die with this process. */
  watch(identity: ProcessIdentity): void {
    this.input.write(`watch ${identity.pid} ${identity.startTime}\n`);
  }

  /** Removes this folder (absolute path without line breaks) when this process ends. */
  removeFolder(folder: string): void {
    this.input.write(`remove ${folder}\n`);
  }

  /** Kills all watched processes and removes all named folders now. */
  async release(): Promise<void> {
    this.shell.ref();
    this.input.end("hurry\n");
    await this.ended;
  }

  private get input(): Writable {
    return this.shell.stdin!;
  }
}
