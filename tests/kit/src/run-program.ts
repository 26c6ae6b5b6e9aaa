import { spawn } from "node:child_process";

export interface Ran {
  /** Exit code; -1 when a signal ended it. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  /** The whole environment of the program; default: that of this process. */
  env?: Record<string, string | undefined>;
  /** Content of its standard input, which then ends. */
  input?: string;
}

/** Runs a Node program to its end. @param args the program's file, then its arguments */
export function runProgram(args: string[], { cwd, env, input = "" }: RunOptions = {}): Promise<Ran> {
  const child = spawn(process.execPath, args, { cwd, env: env as NodeJS.ProcessEnv | undefined });
  const ran: Ran = { code: -1, stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    ran.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    ran.stderr += chunk;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return new Promise((resolve) => child.on("close", (code) => resolve({ ...ran, code: code ?? -1 })));
}
