/**
 * Time that a test waits for a condition, ms: far above every promised limit, and below the time limit of a test, whose message
 * could not name the condition.
 */
const PATIENCE_MS = 50_000;

/**
 * Calls `look` again and again until it returns something other than false or undefined, first often, then less often.
 * @returns the result of `look`
 * @throws Error that names the condition; `look` may throw, too
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  ms = PATIENCE_MS,
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + ms;
  for (let pauseMs = 2; ; pauseMs = Math.min(50, pauseMs * 1.5)) {
    const seen = await look();
    if (seen !== false && seen !== undefined) return seen as Exclude<T, false | undefined>;
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
