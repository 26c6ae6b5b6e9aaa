/**
 * A disk of its own for the store of NATS, which can be filled up or lose its power. It needs root, since it is mounted over the
 * folder before the cluster starts.
 *
 * Power loss is a file system on a loop device that is shut down without a flush: from then on nothing reaches the
 * device, and the next mount shows exactly the bytes that had been fsynced before.
 */
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import path from "node:path";

export type DiskKind = "small" | "losing power";

const SMALL_MIB = 160;
const IMAGE_MIB = 512;
const CHUNK_BYTES = 1 << 20;
/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH; Node has no ioctl, Python does. */
const SHUTDOWN =
  "import fcntl,os,struct,sys; fcntl.ioctl(os.open(sys.argv[1],os.O_RDONLY),0x8004587d,struct.pack('I',2))";

/** Returns the reason why this machine cannot have such a disk; undefined when it can. */
export function whyNoDisk(kind: DiskKind): string | undefined {
  if (process.getuid?.() !== 0) return "mounting a disk needs root";
  if (kind === "losing power" && !existsSync("/dev/loop-control")) return "there are no loop devices";
  const needed = kind === "small" ? ["mount"] : ["mount", "mkfs.ext4", "python3"];
  const missing = needed.filter((program) => !runs("sh", "-c", `command -v ${program}`));
  return missing.length === 0 ? undefined : `there is no ${missing.join(", no ")}`;
}

export class NatsDisk {
  private readonly filler: string;
  /** A mount outlives its process, so an interrupted process has to undo it. */
  private readonly onExit = () => this.unmount();

  private constructor(
    private readonly folder: string,
    private readonly image: string | undefined,
  ) {
    this.filler = path.join(folder, "filler");
    process.once("exit", this.onExit);
  }

  /** @param directory data directory of a cluster that does not run yet */
  static mount(kind: DiskKind, directory: string): NatsDisk {
    // The supervisor looks for room in the folder of NATS; the store alone loses its power, not the configuration.
    const folder = kind === "small" ? path.join(directory, "nats") : path.join(directory, "nats", "data");
    mkdirSync(folder, { recursive: true });
    if (kind === "small") {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${SMALL_MIB}m`, "tmpfs", folder]);
      return new NatsDisk(folder, undefined);
    }
    const image = path.join(directory, "nats.ext4");
    execFileSync("truncate", ["-s", `${IMAGE_MIB}M`, image]);
    execFileSync("mkfs.ext4", ["-q", "-F", image]);
    execFileSync("mount", ["-o", "loop", image, folder]);
    return new NatsDisk(folder, image);
  }

  /** Writes until nothing more fits. */
  fill(): void {
    const file = openSync(this.filler, "a");
    try {
      for (let size = CHUNK_BYTES; size > 0; size = Math.floor(size / 2)) {
        try {
          while (true) writeSync(file, Buffer.alloc(size));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.filler, { force: true });
  }

  /** Drops all bytes that were not fsynced. A process with open files there must end before `restore`. */
  losePower(): void {
    execFileSync("python3", ["-c", SHUTDOWN, this.folder]);
  }

  /** Mounts the disk again as it was on the device. */
  restore(): void {
    execFileSync("umount", [this.folder]);
    execFileSync("mount", ["-o", "loop", this.image!, this.folder]);
  }

  unmount(): void {
    process.off("exit", this.onExit);
    runs("umount", "-l", this.folder);
  }
}

function runs(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
