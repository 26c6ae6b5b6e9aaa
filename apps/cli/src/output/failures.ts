/** Failures with an exit code of their own; any other error ends with 1. */
export const EXIT = { done: 0, failed: 1, wrongUse: 2, notReached: 3 } as const;

export { NotReached, WrongUse } from "@carillon/operations";

export function exitCodeOf(error: Error): number {
  if (error.name === "NotReached") return EXIT.notReached;
  return error.name === "WrongUse" ? EXIT.wrongUse : EXIT.failed;
}
