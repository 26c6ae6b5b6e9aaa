/** The cluster (or the part that is needed) does not answer, or is not there. */
export class NotReached extends Error {
  override readonly name = "NotReached";
}

/** What is asked for cannot be: there is no such thing, or it has no such name. */
export class WrongUse extends Error {
  override readonly name = "WrongUse";
}
