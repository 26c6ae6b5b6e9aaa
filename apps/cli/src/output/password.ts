/** Reads a password from a file, or from the terminal without showing it. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { WrongUse } from "./failures";

/** @throws WrongUse when the file cannot be read, or there is neither file nor terminal */
export async function readPassword(userId: string, file: string | undefined): Promise<string> {
  if (file !== undefined) {
    try {
      return (readFileSync(file, "utf8").split("\n")[0] as string).trimEnd();
    } catch (error) {
      throw new WrongUse(`cannot read the password: ${(error as Error).message}`);
    }
  }
  if (process.stdin.isTTY !== true)
    throw new WrongUse("without a terminal, --password-file must name a file with the password");
  process.stdout.write(`password of ${userId}: `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const password = await prompt.question("");
  prompt.close();
  process.stdout.write("\n");
  return password;
}
