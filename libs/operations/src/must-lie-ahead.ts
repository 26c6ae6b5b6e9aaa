import { CarillonError } from "@carillon/protocol";

/**
 * Refuses a time in the past: a time in seconds, or of a wrong day, would silently have no effect.
 * @param at ms; 0 stands for no time
 * @throws CarillonError BAD_PAYLOAD unless the time is 0 or lies ahead
 */
export function mustLieAhead(key: string, at: number, now: number): void {
  if (at !== 0 && at <= now) throw new CarillonError("BAD_PAYLOAD", `${key}: must lie ahead, in ms since 1970`);
}
