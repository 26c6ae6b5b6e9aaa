/** The reaction of a client to a close code. */
import { closeCodeRanges, type ReconnectAdvice } from "./generated/close-codes";

/** The codes of the WebSocket itself (1000-3999: lost network, proxy, restart) mean `back-off`. */
export function reconnectAdvice(code: number): ReconnectAdvice {
  return closeCodeRanges.find((range) => code >= range.from && code <= range.to)?.advice ?? "back-off";
}
