/**
 * Time within which what a test waits for has to come, ms: far above every bound that is promised, and below the time of a
 * test, which could not say what did not come.
 */
const PATIENCE_MS = 50_000;

/**
 * Waits until `look` gives something other than false or undefined, looking again and again, first often, then at leisure.
 * @returns what it gave
 * @throws Error that names what did not come; `look` may throw, too
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
