import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import type { ProcessIdentity } from "./identity";

/**
 * Ends processes when this process ends, however it ends.
 *
 * A shell in its own session reads a pipe whose other end only this process holds. When the pipe closes (exit, crash,
 * kill -9) it kills what it was told to watch, and removes folders it was told to remove. Processes are compared by
 * start time before they are killed, so names that are out of date do no harm and need not be taken back.
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

  /** @param graceSeconds how long what is watched may take to end by itself after us */
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

  /** From now on this process dies with us. */
  watch(identity: ProcessIdentity): void {
    this.input.write(`watch ${identity.pid} ${identity.startTime}\n`);
  }

  /** From now on this folder (absolute path without line breaks) is removed when we end. */
  removeFolder(folder: string): void {
    this.input.write(`remove ${folder}\n`);
  }

  /** Kills and removes now what is left. */
  async release(): Promise<void> {
    this.shell.ref();
    this.input.end("hurry\n");
    await this.ended;
  }

  private get input(): Writable {
    return this.shell.stdin!;
  }
}
