/** Failures with an exit code of their own; any other error ends with 1. */
export const EXIT = { done: 0, failed: 1, wrongUse: 2, notReached: 3 } as const;

/** The cluster (or the part that is needed) does not answer, or is not there. */
export class NotReached extends Error {
  override readonly name = "NotReached";
}

/** The command line asks for something that cannot be. */
export class WrongUse extends Error {
  override readonly name = "WrongUse";
}

export function exitCodeOf(error: Error): number {
  if (error.name === "NotReached") return EXIT.notReached;
  return error.name === "WrongUse" ? EXIT.wrongUse : EXIT.failed;
}
