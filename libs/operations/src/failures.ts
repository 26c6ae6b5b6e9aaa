/** The cluster, or a part of it that the work needs, does not answer or does not exist. */
export class NotReached extends Error {
  override readonly name = "NotReached";
}

/** The request is impossible: the thing does not exist, or its name has a wrong form. */
export class WrongUse extends Error {
  override readonly name = "WrongUse";
}
