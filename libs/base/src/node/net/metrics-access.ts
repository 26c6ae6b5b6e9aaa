/** Access to the metrics of a process whose port strangers may reach as well. */
import { createHash, timingSafeEqual } from "node:crypto";

/**
 * @param authorization the header of the request
 * @param token the setting `metrics.token`; undefined: everybody may read
 */
export function mayReadMetrics(authorization: string | undefined, token: string | undefined): boolean {
  return token === undefined || timingSafeEqual(digest(authorization ?? ""), digest(`Bearer ${token}`));
}

const digest = (text: string) => createHash("sha256").update(text).digest();
