import { CarillonError } from "@carillon/protocol";

/**
 * A time in seconds, or one that was meant for another day, would do nothing without a word.
 * @param at ms; 0 stands for none
 * @throws CarillonError BAD_PAYLOAD unless it is 0 or lies ahead
 */
export function mustLieAhead(key: string, at: number, now: number): void {
  if (at !== 0 && at <= now) throw new CarillonError("BAD_PAYLOAD", `${key}: must lie ahead, in ms since 1970`);
}
