/**
 * Trust in the authority of a local cluster. Node.js reads further authorities at its start only, so a command that needs one
 * runs again in a process that has it.
 */
import { spawn } from "node:child_process";
import { environmentTrusting } from "./config";

/**
 * @param caFile a PEM file; undefined: there is nothing to trust
 * @returns whether the command has run in another process, whose exit code this process has taken over
 */
export async function ranTrusting(caFile: string | undefined): Promise<boolean> {
  const env = caFile === undefined ? undefined : environmentTrusting(caFile);
  if (env === undefined) return false;
  // Ctrl-C reaches both processes; the other one decides.
  process.on("SIGINT", () => {});
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: "inherit",
    env,
  });
  process.on("SIGTERM", (signal) => child.kill(signal));
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.on("error", reject).on("close", (code) => resolve(code ?? 1));
  });
  return true;
}
