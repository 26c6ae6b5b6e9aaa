import { execFile } from "node:child_process";

/** Compares dotted versions number by number; returns a negative number, zero or a positive one, like a sort callback. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [left.split("."), right.split(".")];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = Number(a[i] ?? 0) - Number(b[i] ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  return 0;
}

/** Returns the first dotted number in a text, such as the answer of `--version`. */
export function findVersion(text: string): string | undefined {
  return /(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1];
}

/** Runs a program and resolves to its output; undefined when it cannot run or fails. */
export function ask(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(command, args, { env, timeout: 20_000 }, (error, stdout, stderr) =>
      resolve(error === null ? stdout + stderr : undefined),
    );
  });
}
